%% @doc gen_tcp:connect/2,3,4: what it gives, how it fails, and how long it
%% may take. Names are looked up in a host table of this suite's own, never
%% over the network.
-module(connect_SUITE).

-export([all/0, groups/0, suite/0, init_per_suite/1, end_per_suite/1,
         init_per_group/2, end_per_group/2]).

-export([
    connected_socket_is_owned_by_the_caller/1,
    defaults_of_a_connected_socket/1,
    bad_options_exit/1,
    bad_addresses_exit/1,
    options_refused_below_exit/1,
    raised_errors_become_exits/1,
    bad_timeouts_raise/1,
    timeout_while_the_backlog_is_full/1,
    timeout_zero/1,
    killed_while_connecting/1,
    first_address_that_answers_is_taken/1,
    last_error_of_all_addresses_is_returned/1,
    timeout_covers_all_addresses/1,
    host_forms/1,
    host_of_a_wrong_type_raises/1,
    host_ipv6_literal/1,
    atoms_any_and_loopback_are_host_names/1,
    empty_host/1,
    address_of_the_other_family/1,
    sockaddr_map/1,
    sockaddr_map_inet6/1,
    sockaddr_map_without_port/1,
    sockaddr_map_of_a_wrong_family_raises/1,
    sockaddr_map_any_and_loopback/1, sockaddr_map_of_another_family/1,
    service_name_as_port/1,
    refused/1,
    local_path_missing/1,
    source_address_not_local/1,
    connect_needs_no_accept/1,
    many_connect_at_once/1
]).

-import(tcp_pairs, [outcome/1, by_another/1, eventually/1, is_gone/1]).

-define(LOOPBACK, {127, 0, 0, 1}).

suite() ->
    [{timetrap, {seconds, 30}}].

all() ->
    driver_groups:all().

groups() ->
    driver_groups:groups(cases()).

cases() ->
    [
        connected_socket_is_owned_by_the_caller,
        defaults_of_a_connected_socket,
        bad_options_exit,
        bad_addresses_exit,
        options_refused_below_exit,
        raised_errors_become_exits,
        bad_timeouts_raise,
        timeout_while_the_backlog_is_full,
        timeout_zero,
        killed_while_connecting,
        first_address_that_answers_is_taken,
        last_error_of_all_addresses_is_returned,
        timeout_covers_all_addresses,
        host_forms,
        host_of_a_wrong_type_raises,
        host_ipv6_literal,
        atoms_any_and_loopback_are_host_names,
        empty_host,
        address_of_the_other_family,
        sockaddr_map,
        sockaddr_map_inet6,
        sockaddr_map_without_port,
        sockaddr_map_of_a_wrong_family_raises,
        sockaddr_map_any_and_loopback, sockaddr_map_of_another_family,
        service_name_as_port,
        refused,
        local_path_missing,
        source_address_not_local,
        connect_needs_no_accept,
        many_connect_at_once
    ].

init_per_suite(Config) ->
    Lookup = inet_db:res_option(lookup),
    ok = inet_db:set_lookup([file]),
    [ok = inet_db:add_host(IP, [Name]) || {IP, Name} <- do_hosts()],
    [{lookup, Lookup} | Config].

end_per_suite(Config) ->
    [ok = inet_db:del_host(IP) || {IP, _Name} <- do_hosts()],
    ok = inet_db:set_lookup(proplists:get_value(lookup, Config)).

init_per_group(Group, Config) ->
    driver_groups:init(Group, Config).

end_per_group(Group, Config) ->
    driver_groups:done(Group, Config).

%% The caller owns the socket, which closes when its owner exits.
connected_socket_is_owned_by_the_caller(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    {ok, S} = gen_tcp:connect(?LOOPBACK, Port, []),
    #{owner := Owner} = inet:info(S),
    Owner = self(),
    {ok, OfAnother} = by_another(fun() -> gen_tcp:connect(?LOOPBACK, Port, []) end),
    eventually(fun() -> is_gone(OfAnother) end),
    ok = gen_tcp:close(S),
    ok = gen_tcp:close(L).

%% Without options a socket is active and gives lists.
defaults_of_a_connected_socket(_Config) ->
    PeerListener = tcp_pairs:peer_listen(),
    {ok, S} = gen_tcp:connect(?LOOPBACK, tcp_pairs:peer_port(PeerListener), []),
    Peer = tcp_pairs:peer_accept(PeerListener),
    {ok, [{active, true}, {mode, list}, {packet, 0}]} = inet:getopts(S, [active, mode, packet]),
    tcp_pairs:peer_send(Peer, "hello"),
    receive {tcp, S, "hello"} -> ok end,
    tcp_pairs:peer_close(Peer),
    receive {tcp_closed, S} -> ok end,
    tcp_pairs:peer_close(PeerListener).

%% An unknown option, a value of a wrong type, and an option that
%% is not for connect.
bad_options_exit(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    Accepted = [Option || Option <- [
        {foo, bar}, foo, {active, 'maybe'}, {active, 32768}, {nodelay, 7}, {packet, 17},
        {packet, foo}, {mode, foo}, {send_timeout, -1}, {buffer, foo}, {linger, true},
        {tos, foo}, {header, -1}, {ip, "127.0.0.1"}, {port, foo}, {port, 70000}, {port, -1},
        {backlog, 5}, {nopush, true}, {dontroute, true}, {ipv6_v6only, true}
    ], outcome(fun() -> gen_tcp:connect(?LOOPBACK, Port, [Option], 5000) end)
        =/= {raised, exit, badarg}],
    [] = Accepted,
    ok = gen_tcp:close(L).

%% Address tuples with bad elements or of a bad size
bad_addresses_exit(_Config) ->
    [{raised, exit, badarg} = outcome(fun() -> gen_tcp:connect(Address, 1, []) end)
     || Address <- [{127, 0, 0, 256}, {127, 0, 0}, {1, 2, 3, 4, 5}, {0, 0, 0, 0, 0, 0, 0, 65536}]],
    ok.

%% What driver or kernel refuses exits as well.
options_refused_below_exit(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    [{raised, exit, badarg} =
         outcome(fun() -> gen_tcp:connect(?LOOPBACK, Port, [Option], 5000) end)
     || Option <- [{ttl, 0}, {ttl, 256}, {tclass, 1}, {high_msgq_watermark, 0},
                   {bind_to_device, <<"nosuch">>}]],
    ok = gen_tcp:close(L).

%% Bad ports and option arguments
raised_errors_become_exits(_Config) ->
    [{raised, exit, {function_clause, stack}} =
         outcome(fun() -> gen_tcp:connect(?LOOPBACK, Port, Opts, 5000) end)
     || {Port, Opts} <- [{70000, []}, {-1, []}, {"80", []}, {1.5, []},
                         {80, foo}, {80, {active, false}}, {80, <<>>}]],
    ok.

%% The timeout is checked before anything else.
bad_timeouts_raise(_Config) ->
    [{raised, error, badarg} =
         outcome(fun() -> gen_tcp:connect(?LOOPBACK, Port, [], Timeout) end)
     || Timeout <- [foo, -1, 1.5], Port <- [1, 70000]],
    ok.

%% A connect that nobody answers ends with the timeout, leaves nothing
%% behind, and the same port works afterwards.
timeout_while_the_backlog_is_full(_Config) ->
    {L, Port} = tcp_pairs:listen([{backlog, 0}]),
    Queued = do_fill_backlog(?LOOPBACK, Port),
    ok = mailbox:none(),
    {error, timeout} = gen_tcp:connect(?LOOPBACK, Port, [], 50),
    {error, timeout} = gen_tcp:connect("localhost", Port, [], 50),
    ok = mailbox:none(),
    Accepted = [element(2, {ok, _} = gen_tcp:accept(L, 5000)) || _ <- Queued],
    {ok, S} = gen_tcp:connect(?LOOPBACK, Port, [{active, false}], 5000),
    {ok, A} = gen_tcp:accept(L, 5000),
    [ok = gen_tcp:close(Socket) || Socket <- [A, S, L] ++ Accepted ++ Queued],
    ok.

%% Timeout 0 is allowed. Whether the connection is there in time is a
%% matter of luck, even on loopback; either way nothing is left behind.
timeout_zero(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    case gen_tcp:connect(?LOOPBACK, Port, [{active, false}], 0) of
        {ok, S} -> ok = gen_tcp:close(S);
        {error, timeout} -> ok
    end,
    ok = mailbox:none(),
    ok = gen_tcp:close(L).

%% A process can be killed while it waits for a connection.
killed_while_connecting(_Config) ->
    {L, Port} = tcp_pairs:listen([{backlog, 0}]),
    Queued = do_fill_backlog(?LOOPBACK, Port),
    {Pid, Monitor} = spawn_monitor(fun() -> gen_tcp:connect(?LOOPBACK, Port, []) end),
    tcp_pairs:at_rest(Pid),
    exit(Pid, kill),
    receive {'DOWN', Monitor, process, Pid, killed} -> ok end,
    {error, timeout} = gen_tcp:connect(?LOOPBACK, Port, [], 50),
    [ok = gen_tcp:close(S) || S <- [L | Queued]],
    ok.

%% The addresses of a name are tried in order.
first_address_that_answers_is_taken(_Config) ->
    {ok, [{127, 0, 0, 12}, {127, 0, 0, 13}]} = inet:getaddrs("two.test", inet),
    {L, Port} = tcp_pairs:listen([{ip, {127, 0, 0, 13}}]),
    {ok, S} = gen_tcp:connect("two.test", Port, [{active, false}]),
    {ok, {{127, 0, 0, 13}, Port}} = inet:peername(S),
    ok = gen_tcp:close(S),
    {ok, First} = gen_tcp:listen(Port, [{ip, {127, 0, 0, 12}}]),
    {ok, S2} = gen_tcp:connect("two.test", Port, [{active, false}]),
    {ok, {{127, 0, 0, 12}, Port}} = inet:peername(S2),
    [ok = gen_tcp:close(Socket) || Socket <- [S2, First, L]],
    ok.

%% If none answers, the last error is returned.
last_error_of_all_addresses_is_returned(_Config) ->
    {error, econnrefused} = gen_tcp:connect("two.test", do_unused_port(), []),
    ok = mailbox:none().

%% A timeout is for all addresses and stops the search.
timeout_covers_all_addresses(_Config) ->
    {Silent, Port} = tcp_pairs:listen([{ip, {127, 0, 0, 12}}, {backlog, 0}]),
    {ok, Second} = gen_tcp:listen(Port, [{ip, {127, 0, 0, 13}}]),
    Queued = do_fill_backlog({127, 0, 0, 12}, Port),
    {error, timeout} = gen_tcp:connect("two.test", Port, [], 50),
    {error, timeout} = gen_tcp:accept(Second, 0),
    [ok = gen_tcp:close(S) || S <- [Silent, Second | Queued]],
    ok.

%% Names and literals, as strings and atoms
host_forms(_Config) ->
    {L, Port} = tcp_pairs:listen([{ip, {127, 0, 0, 11}}]),
    [begin
        {ok, S} = gen_tcp:connect(Host, Port, [{active, false}], 5000),
        {ok, {{127, 0, 0, 11}, Port}} = inet:peername(S),
        ok = gen_tcp:close(S)
    end || Host <- ["one.test", 'one.test', "127.0.0.11", '127.0.0.11', {127, 0, 0, 11}]],
    {error, nxdomain} = gen_tcp:connect("none.test", Port, []),
    {error, nxdomain} = gen_tcp:connect('none.test', Port, []),
    ok = gen_tcp:close(L).

%% A binary or an integer is no host.
host_of_a_wrong_type_raises(_Config) ->
    [{raised, error, function_clause} = outcome(fun() -> gen_tcp:connect(Host, 1, []) end)
     || Host <- [<<"localhost">>, <<>>, 2130706433]],
    ok.

%% An IPv6 literal needs inet6.
host_ipv6_literal(_Config) ->
    {ok, L} = gen_tcp:listen(0, [inet6, {ip, loopback}]),
    {ok, Port} = inet:port(L),
    {error, nxdomain} = gen_tcp:connect("::1", Port, []),
    {ok, S} = gen_tcp:connect("::1", Port, [inet6]),
    {ok, {{0, 0, 0, 0, 0, 0, 0, 1}, Port}} = inet:peername(S),
    ok = gen_tcp:close(S),
    ok = gen_tcp:close(L).

%% As addresses these atoms are ordinary names.
atoms_any_and_loopback_are_host_names(_Config) ->
    {error, nxdomain} = gen_tcp:connect(any, 1, []),
    {error, nxdomain} = gen_tcp:connect(loopback, 1, []).

%% OTP 25 refuses the empty name, later ones look it up.
empty_host(_Config) ->
    case {outcome(fun() -> gen_tcp:connect("", 1, []) end), do_otp_release()} of
        {{raised, exit, badarg}, 25} -> ok;
        {{raised, exit, badarg}, 26} -> ok;
        {{error, nxdomain}, Release} when Release >= 26 -> ok
    end.

%% Address and family option have to agree.
address_of_the_other_family(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    {error, eafnosupport} = gen_tcp:connect(?LOOPBACK, Port, [inet6]),
    {error, eafnosupport} = gen_tcp:connect({0, 0, 0, 0, 0, 0, 0, 1}, Port, [inet]),
    ok = gen_tcp:close(L).

%% A sockaddr map as destination, with and without a timeout
sockaddr_map(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    Address = #{family => inet, addr => ?LOOPBACK, port => Port},
    {ok, S1} = gen_tcp:connect(Address, [binary, {active, false}]),
    {ok, S2} = gen_tcp:connect(Address, [binary, {active, false}], 5000),
    {ok, A1} = gen_tcp:accept(L, 5000),
    ok = gen_tcp:send(S1, "hello"),
    {ok, <<"hello">>} = gen_tcp:recv(A1, 5, 5000),
    {ok, {?LOOPBACK, Port}} = inet:peername(S2),
    [ok = gen_tcp:close(S) || S <- [S1, S2, A1, L]],
    {error, econnrefused} = gen_tcp:connect(Address, []),
    {raised, exit, badarg} = outcome(fun() -> gen_tcp:connect(Address, [{active, 'maybe'}]) end),
    {raised, error, badarg} = outcome(fun() -> gen_tcp:connect(Address, [], foo) end),
    ok.

%% An inet6 map chooses the family.
sockaddr_map_inet6(_Config) ->
    {ok, L} = gen_tcp:listen(0, [inet6, {ip, loopback}]),
    {ok, Port} = inet:port(L),
    {ok, S} = gen_tcp:connect(#{family => inet6, addr => {0, 0, 0, 0, 0, 0, 0, 1}, port => Port},
                              [{active, false}]),
    {ok, {{0, 0, 0, 0, 0, 0, 0, 1}, Port}} = inet:peername(S),
    ok = gen_tcp:close(S),
    ok = gen_tcp:close(L).

%% A missing port is port 0, where nobody can listen.
sockaddr_map_without_port(_Config) ->
    {error, econnrefused} = gen_tcp:connect(#{family => inet, addr => ?LOOPBACK}, []).

%% Only inet and inet6 can be asked for by a map.
sockaddr_map_of_a_wrong_family_raises(_Config) ->
    [{raised, error, function_clause} = outcome(fun() -> gen_tcp:connect(Address, [], 5000) end)
     || Address <- [#{addr => ?LOOPBACK, port => 1},
                    #{family => local, path => "/nowhere"},
                    #{family => foo, addr => ?LOOPBACK, port => 1}]],
    ok.

%% No map leads to the address any; loopback works from OTP 27 on.
sockaddr_map_any_and_loopback(_Config) ->
    [begin
         {ok, L} = gen_tcp:listen(0, [Family, {ip, loopback}, {active, false}]),
         {ok, Port} = inet:port(L),
         [{raised, exit, {function_clause, stack}} =
              outcome(fun() -> gen_tcp:connect(Address, [], 5000) end)
          || Address <- [#{family => Family, port => Port},
                         #{family => Family, port => Port, addr => any}]],
         Loopback = #{family => Family, port => Port, addr => loopback},
         case {outcome(fun() -> gen_tcp:connect(Loopback, [], 5000) end), do_otp_release()} of
             {{raised, exit, {function_clause, stack}}, Release} when Release < 27 -> ok;
             {{ok, S}, Release} when Release >= 26 -> ok = gen_tcp:close(S)
         end,
         ok = gen_tcp:close(L)
     end || Family <- [inet, inet6]],
    ok.

%% A family or an address in the options counts before the one to connect to.
sockaddr_map_of_another_family(_Config) ->
    {ok, L} = gen_tcp:listen(0, [inet6, {ip, loopback}, {active, false}]),
    {ok, Port} = inet:port(L),
    Here = #{family => inet6, port => Port, addr => {0, 0, 0, 0, 0, 0, 0, 1}},
    [{raised, exit, {function_clause, stack}} =
         outcome(fun() -> gen_tcp:connect(Here, Opts, 5000) end)
     || Opts <- [[inet], [{ip, ?LOOPBACK}], [{ip, loopback}]]],
    [case {outcome(fun() -> gen_tcp:connect(Here#{addr := loopback}, Opts, 5000) end),
           do_otp_release()} of
         {{raised, exit, {function_clause, stack}}, Release} when Release < 27 -> ok;
         {{error, eafnosupport}, Release} when Release >= 26 -> ok
     end || Opts <- [[inet], [{ip, ?LOOPBACK}], [{ip, loopback}]]],
    ok = gen_tcp:close(L).

%% A port may be the name of a service.
service_name_as_port(_Config) ->
    {raised, exit, badarg} =
        outcome(fun() -> gen_tcp:connect(?LOOPBACK, nosuchservice, []) end),
    case inet:getservbyname(http, tcp) of
        {ok, 80} ->
            {error, econnrefused} = gen_tcp:connect({127, 0, 0, 14}, http, [], 5000);
        {error, einval} ->
            {comment, "no services database here: only the unknown name was tried"}
    end.

%% Nobody listens there.
refused(_Config) ->
    {error, econnrefused} = gen_tcp:connect(?LOOPBACK, do_unused_port(), []),
    {error, econnrefused} = gen_tcp:connect(?LOOPBACK, do_unused_port(), [], 5000),
    ok = mailbox:none().

%% Nothing has that path.
local_path_missing(_Config) ->
    {error, enoent} = gen_tcp:connect({local, tcp_pairs:local_path()}, 0, []).

%% 198.51.100.0/24 is for documentation and never ours.
source_address_not_local(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    {error, eaddrnotavail} = gen_tcp:connect(?LOOPBACK, Port, [{ip, {198, 51, 100, 1}}]),
    ok = gen_tcp:close(L).

%% The kernel completes a connection that nobody accepts; both
%% ends can be used and closed.
connect_needs_no_accept(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    {ok, S} = gen_tcp:connect(?LOOPBACK, Port, [{active, false}]),
    ok = gen_tcp:send(S, "nobody reads this"),
    ok = gen_tcp:close(L),
    %% The kernel resets what was waiting in the backlog.
    {error, closed} = gen_tcp:recv(S, 0, 5000),
    ok = gen_tcp:close(S).

%% Many processes connect at the same time, and each gets a socket of
%% its own.
many_connect_at_once(_Config) ->
    {L, Port} = tcp_pairs:listen([{backlog, 100}]),
    Workers = [spawn_monitor(fun() ->
        {ok, S} = gen_tcp:connect(?LOOPBACK, Port, [{active, false}, {packet, 4}]),
        ok = gen_tcp:send(S, integer_to_binary(N)),
        {ok, Echo} = gen_tcp:recv(S, 0, 10000),
        ok = gen_tcp:close(S),
        exit({echo, N, list_to_integer(Echo)})
    end) || N <- lists:seq(1, 50)],
    ok = inet:setopts(L, [{packet, 4}]),
    [begin
        {ok, A} = gen_tcp:accept(L, 5000),
        {ok, Data} = gen_tcp:recv(A, 0, 5000),
        ok = gen_tcp:send(A, Data),
        ok = gen_tcp:close(A)
    end || _ <- Workers],
    Echoes = [receive {'DOWN', Monitor, process, Pid, Reason} -> Reason end
              || {Pid, Monitor} <- Workers],
    Echoes = [{echo, N, N} || N <- lists:seq(1, 50)],
    ok = gen_tcp:close(L).

%%
%% Helpers
%%

do_hosts() ->
    [{{127, 0, 0, 11}, "one.test"},
     {{127, 0, 0, 12}, "two.test"},
     {{127, 0, 0, 13}, "two.test"},
     {?LOOPBACK, "localhost"}].

%% Connects until nobody answers any more; the connections that were made.
do_fill_backlog(IP, Port) ->
    case gen_tcp:connect(IP, Port, [{active, false}], 50) of
        {ok, S} -> [S | do_fill_backlog(IP, Port)];
        {error, timeout} -> []
    end.

%% A port that was free a moment ago.
do_unused_port() ->
    {L, Port} = tcp_pairs:listen(),
    ok = gen_tcp:close(L),
    Port.

do_otp_release() ->
    list_to_integer(erlang:system_info(otp_release)).
