%% @doc Addresses and families: how listen and connect choose one, what
%% sockname and peername say, IPv6 and mapped IPv4, and local sockets.
-module(address_SUITE).

-export([all/0, groups/0, suite/0, init_per_group/2, end_per_group/2]).

-export([
    family_of_a_listener/1,
    family_of_a_connection/1,
    ip_and_ifaddr_of_a_listener/1,
    last_address_wins/1,
    bad_addresses_of_a_listener/1,
    source_address_of_a_connection/1,
    source_port_of_a_connection/1,
    bad_source_addresses/1,
    ifaddr_map_of_a_listener/1,
    ifaddr_map_decides_the_port/1,
    ifaddr_map_refusals/1,
    ifaddr_map_of_a_connection/1,
    ifaddr_map_needs_a_map_as_destination/1,
    names_of_both_ends_agree/1,
    inet6_listener_takes_ipv4_clients/1,
    inet6_listener_with_v6only/1,
    inet6_both_ways/1,
    accepted_socket_inherits_ip_options/1,
    accepted_socket_inherits_ipv6_options/1,
    local_names/1,
    local_both_ways/1,
    local_client_with_a_name/1,
    local_port_must_be_zero/1,
    local_path_limit/1,
    no_permission/1,
    local_path_stays/1,
    local_abstract_names/1,
    local_autobind/1,
    local_family_mismatches/1,
    local_end_and_shutdown/1,
    local_active_messages/1,
    local_options/1,
    fd_of_a_listener/1,
    fd_refusals/1
]).

-import(tcp_pairs, [outcome/1, is_gone/1, eventually/1]).

-define(LOOPBACK, {127, 0, 0, 1}).
-define(LOOPBACK6, {0, 0, 0, 0, 0, 0, 0, 1}).
%% 127.0.0.1 as an IPv6 address
-define(MAPPED, {0, 0, 0, 0, 0, 65535, 32512, 1}).

suite() ->
    [{timetrap, {seconds, 30}}].

all() ->
    driver_groups:all().

groups() ->
    driver_groups:groups(cases()).

cases() ->
    [
        family_of_a_listener,
        family_of_a_connection,
        ip_and_ifaddr_of_a_listener,
        last_address_wins,
        bad_addresses_of_a_listener,
        source_address_of_a_connection,
        source_port_of_a_connection,
        bad_source_addresses,
        ifaddr_map_of_a_listener,
        ifaddr_map_decides_the_port,
        ifaddr_map_refusals,
        ifaddr_map_of_a_connection,
        ifaddr_map_needs_a_map_as_destination,
        names_of_both_ends_agree,
        inet6_listener_takes_ipv4_clients,
        inet6_listener_with_v6only,
        inet6_both_ways,
        accepted_socket_inherits_ip_options,
        accepted_socket_inherits_ipv6_options,
        local_names,
        local_both_ways,
        local_client_with_a_name,
        local_port_must_be_zero,
        local_path_limit,
        no_permission,
        local_path_stays,
        local_abstract_names,
        local_autobind,
        local_family_mismatches,
        local_end_and_shutdown,
        local_active_messages,
        local_options,
        fd_of_a_listener,
        fd_refusals
    ].

init_per_group(Group, Config) ->
    driver_groups:init(Group, Config).

end_per_group(Group, Config) ->
    driver_groups:done(Group, Config).

%%
%% Which family, which address
%%

%% The family comes from an atom or the address; what a listener
%% without an address is bound to.
family_of_a_listener(_Config) ->
    [begin
        {ok, L} = gen_tcp:listen(0, Opts),
        {Opts, {ok, {Address, Port}}} = {Opts, inet:sockname(L)},
        true = is_integer(Port) andalso Port > 0,
        ok = gen_tcp:close(L)
    end || {Opts, Address} <- [
        {[], {0, 0, 0, 0}},
        {[inet], {0, 0, 0, 0}},
        {[inet6], {0, 0, 0, 0, 0, 0, 0, 0}},
        {[{ip, ?LOOPBACK6}], ?LOOPBACK6},
        {[{ifaddr, ?LOOPBACK6}], ?LOOPBACK6},
        {[inet6, {ip, ?LOOPBACK6}], ?LOOPBACK6},
        {[inet, {ip, ?LOOPBACK}], ?LOOPBACK}
    ]],
    ok.

%% An IPv6 destination needs no option.
family_of_a_connection(_Config) ->
    {ok, L} = gen_tcp:listen(0, [inet6, {backlog, 20}]),
    {ok, Port} = inet:port(L),
    [begin
        {ok, S} = gen_tcp:connect(Destination, Port, Opts),
        {ok, {Destination, Port}} = inet:peername(S),
        {ok, {Destination, _}} = inet:sockname(S),
        ok = gen_tcp:close(S)
    end || {Destination, Opts} <- [
        {?LOOPBACK, []}, {?LOOPBACK, [inet]}, {?LOOPBACK6, []}, {?LOOPBACK6, [inet6]},
        {?LOOPBACK6, [{ip, ?LOOPBACK6}]}, {?LOOPBACK6, [inet6, {ip, loopback}]},
        {?LOOPBACK6, [inet6, {ip, any}]}
    ]],
    ok = gen_tcp:close(L).

%% ip and ifaddr are the same option.
ip_and_ifaddr_of_a_listener(_Config) ->
    [begin
        {ok, L} = gen_tcp:listen(0, Opts ++ [{Name, Address}]),
        {Address, {ok, {Bound, _}}} = {Address, inet:sockname(L)},
        ok = gen_tcp:close(L)
    end || Name <- [ip, ifaddr],
           {Opts, Address, Bound} <- [
        {[], any, {0, 0, 0, 0}},
        {[], loopback, ?LOOPBACK},
        {[], undefined, {0, 0, 0, 0}},
        {[], {127, 0, 0, 31}, {127, 0, 0, 31}},
        {[inet6], any, {0, 0, 0, 0, 0, 0, 0, 0}},
        {[inet6], loopback, ?LOOPBACK6}
    ]],
    ok.

%% Of ip and ifaddr the last one given counts.
last_address_wins(_Config) ->
    [begin
        {ok, L} = gen_tcp:listen(0, [{First, {127, 0, 0, 31}}, {Second, {127, 0, 0, 32}}]),
        {ok, {{127, 0, 0, 32}, Port}} = inet:sockname(L),
        {ok, S} = gen_tcp:connect({127, 0, 0, 32}, Port,
                                  [{First, {127, 0, 0, 33}}, {Second, {127, 0, 0, 34}}]),
        {ok, {{127, 0, 0, 34}, _}} = inet:sockname(S),
        ok = gen_tcp:close(S),
        ok = gen_tcp:close(L)
    end || First <- [ip, ifaddr], Second <- [ip, ifaddr]],
    ok.

%% Strings, names and the other family
bad_addresses_of_a_listener(_Config) ->
    [{raised, exit, badarg} = outcome(fun() -> gen_tcp:listen(0, Opts) end)
     || Opts <- [[{ip, "127.0.0.1"}], [{ip, localhost}], [{ip, {127, 0, 0, 256}}],
                 [{ifaddr, "127.0.0.1"}], [inet, {ip, ?LOOPBACK6}], [inet6, {ip, ?LOOPBACK}]]],
    ok.

%% The source address; any and undefined leave it to the kernel.
source_address_of_a_connection(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    [begin
        {ok, S} = gen_tcp:connect(?LOOPBACK, Port, Opts),
        {Opts, {ok, {Source, _}}} = {Opts, inet:sockname(S)},
        {ok, A} = gen_tcp:accept(L, 5000),
        {ok, {Source, _}} = inet:peername(A),
        ok = gen_tcp:close(S),
        ok = gen_tcp:close(A)
    end || {Opts, Source} <- [
        {[], ?LOOPBACK}, {[{ip, any}], ?LOOPBACK}, {[{ip, loopback}], ?LOOPBACK},
        {[{ip, undefined}], ?LOOPBACK}, {[{ip, {127, 0, 0, 31}}], {127, 0, 0, 31}},
        {[{ifaddr, {127, 0, 0, 31}}], {127, 0, 0, 31}}
    ]],
    ok = gen_tcp:close(L).

%% A source port of one's own; port 0 is any port.
source_port_of_a_connection(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    Source = do_unused_port(),
    {ok, S1} = gen_tcp:connect(?LOOPBACK, Port, [{port, Source}]),
    {ok, {?LOOPBACK, Source}} = inet:sockname(S1),
    {ok, S2} = gen_tcp:connect(?LOOPBACK, Port, [{port, 0}]),
    {ok, {?LOOPBACK, Other}} = inet:sockname(S2),
    true = Other =/= Source andalso Other > 0,
    {error, eaddrinuse} = gen_tcp:connect(?LOOPBACK, Port, [{port, Source}]),
    [ok = gen_tcp:close(S) || S <- [S1, S2, L]],
    ok.

%% A string or a name exits with badarg, an address of the other family is eafnosupport.
bad_source_addresses(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    [{raised, exit, badarg} = outcome(fun() -> gen_tcp:connect(?LOOPBACK, Port, [Opt]) end)
     || Opt <- [{ip, "127.0.0.1"}, {ip, localhost}, {ifaddr, "127.0.0.1"}]],
    {error, eafnosupport} = gen_tcp:connect(?LOOPBACK, Port, [{ip, ?LOOPBACK6}]),
    %% Without inet6, loopback is an IPv4 address.
    {error, eafnosupport} = gen_tcp:connect(?LOOPBACK6, Port, [{ip, loopback}]),
    ok = gen_tcp:close(L).

%%
%% Maps
%%

%% A map as ifaddr; the answers are tuples all the same.
ifaddr_map_of_a_listener(_Config) ->
    [begin
        {ok, L} = gen_tcp:listen(0, [{ifaddr, Map} | Opts]),
        {Map, {ok, {Address, _}}} = {Map, inet:sockname(L)},
        ok = gen_tcp:close(L)
    end || {Map, Opts, Address} <- [
        {#{family => inet}, [], {0, 0, 0, 0}},
        {#{family => inet, addr => any, port => 0}, [], {0, 0, 0, 0}},
        {#{family => inet, addr => loopback}, [], ?LOOPBACK},
        {#{family => inet, addr => {127, 0, 0, 31}}, [], {127, 0, 0, 31}},
        {#{family => inet6, addr => loopback}, [], ?LOOPBACK6},
        {#{family => inet6, addr => ?LOOPBACK6, port => 0}, [], ?LOOPBACK6},
        %% A later ip edits the map.
        {#{family => inet, addr => loopback}, [{ip, {127, 0, 0, 32}}], {127, 0, 0, 32}}
    ]],
    ok.

%% The map's port counts, not the argument of listen, unless a later
%% port edits it.
ifaddr_map_decides_the_port(_Config) ->
    [P1, P2, P3] = [do_unused_port() || _ <- [1, 2, 3]],
    Map = #{family => inet, addr => loopback, port => P1},
    [begin
        {ok, L} = gen_tcp:listen(Argument, Opts),
        {Argument, Opts, {ok, Port}} = {Argument, Opts, inet:port(L)},
        ok = gen_tcp:close(L)
    end || {Argument, Opts, Port} <- [
        {0, [{ifaddr, Map}], P1},
        {P2, [{ifaddr, Map}], P1},
        {P2, [{ifaddr, Map}, {port, P3}], P3},
        {P2, [{port, P3}, {ifaddr, Map}], P1}
    ]],
    {ok, L} = gen_tcp:listen(P2, [{ifaddr, maps:remove(port, Map)}]),
    {ok, Port} = inet:port(L),
    true = Port =/= P2,
    ok = gen_tcp:close(L).

%% A map without family raises, one of an unknown or another family is einval.
ifaddr_map_refusals(_Config) ->
    {raised, error, invalid} = outcome(fun() -> gen_tcp:listen(0, [{ifaddr, #{}}]) end),
    {error, einval} = gen_tcp:listen(0, [{ifaddr, #{family => foo}}]),
    {error, einval} = gen_tcp:listen(0, [inet6, {ifaddr, #{family => inet, addr => loopback}}]),
    ok.

%% As the source of a connection to a map
ifaddr_map_of_a_connection(_Config) ->
    {L, Port} = tcp_pairs:listen([{backlog, 20}]),
    Destination = #{family => inet, addr => ?LOOPBACK, port => Port},
    [P1, P2] = [do_unused_port() || _ <- [1, 2]],
    [begin
        {ok, S} = gen_tcp:connect(Destination, Opts),
        {Opts, {ok, {Address, Source}}} = {Opts, inet:sockname(S)},
        true = SourcePort =:= any orelse SourcePort =:= Source,
        ok = gen_tcp:close(S)
    end || {Opts, Address, SourcePort} <- [
        {[{ifaddr, #{family => inet}}], ?LOOPBACK, any},
        {[{ifaddr, #{family => inet, addr => loopback}}], ?LOOPBACK, any},
        {[{ifaddr, #{family => inet, addr => {127, 0, 0, 31}, port => P1}}],
         {127, 0, 0, 31}, P1},
        {[{ifaddr, #{family => inet, addr => loopback}}, {port, P2}], ?LOOPBACK, P2},
        {[{ifaddr, #{family => inet, addr => loopback}}, {ip, {127, 0, 0, 32}}],
         {127, 0, 0, 32}, any},
        {[{ip, {127, 0, 0, 33}}], {127, 0, 0, 33}, any}
    ]],
    ok = gen_tcp:close(L).

%% With any other destination connect exits with badarg.
ifaddr_map_needs_a_map_as_destination(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    Map = #{family => inet, addr => loopback},
    {raised, exit, badarg} =
        outcome(fun() -> gen_tcp:connect(?LOOPBACK, Port, [{ifaddr, Map}]) end),
    {raised, exit, badarg} =
        outcome(fun() ->
            gen_tcp:connect(#{family => inet, addr => ?LOOPBACK, port => Port},
                            [{ifaddr, #{family => foo}}])
        end),
    ok = gen_tcp:close(L).

%%
%% IPv4 and IPv6
%%

%% What one end calls its own name the other calls its peer.
names_of_both_ends_agree(_Config) ->
    [begin
        {ok, L} = gen_tcp:listen(0, Opts),
        {ok, Port} = inet:port(L),
        {ok, C} = gen_tcp:connect(Destination, Port, []),
        {ok, S} = gen_tcp:accept(L, 5000),
        {ok, {Destination, Port}} = inet:sockname(S),
        {ok, {Destination, Port}} = inet:peername(C),
        {ok, {Destination, ClientPort}} = inet:sockname(C),
        {ok, {Destination, ClientPort}} = inet:peername(S),
        [ok = gen_tcp:close(Socket) || Socket <- [S, C, L]]
    end || {Opts, Destination} <- [{[], ?LOOPBACK}, {[inet6], ?LOOPBACK6}]],
    ok.

%% The default of Linux; the client's address is a mapped one.
inet6_listener_takes_ipv4_clients(_Config) ->
    {ok, L} = gen_tcp:listen(0, [inet6, binary, {active, false}, {ipv6_v6only, false}]),
    {ok, Port} = inet:port(L),
    {ok, C} = gen_tcp:connect(?LOOPBACK, Port, [{active, false}]),
    {ok, S} = gen_tcp:accept(L, 5000),
    {ok, {?MAPPED, ClientPort}} = inet:peername(S),
    {ok, {?MAPPED, Port}} = inet:sockname(S),
    {ok, {?LOOPBACK, ClientPort}} = inet:sockname(C),
    ok = gen_tcp:send(C, "hello"),
    {ok, <<"hello">>} = gen_tcp:recv(S, 5, 5000),
    {ok, Mapped} = gen_tcp:connect(?MAPPED, Port, [inet6]),
    {ok, {?MAPPED, Port}} = inet:peername(Mapped),
    [ok = gen_tcp:close(Socket) || Socket <- [Mapped, S, C, L]],
    ok.

%% With ipv6_v6only IPv4 clients are refused.
inet6_listener_with_v6only(_Config) ->
    {ok, L} = gen_tcp:listen(0, [inet6, {ipv6_v6only, true}]),
    {ok, Port} = inet:port(L),
    {ok, [{ipv6_v6only, true}]} = inet:getopts(L, [ipv6_v6only]),
    {error, econnrefused} = gen_tcp:connect(?LOOPBACK, Port, []),
    {error, econnrefused} = gen_tcp:connect(?MAPPED, Port, [inet6]),
    {ok, S} = gen_tcp:connect(?LOOPBACK6, Port, []),
    ok = gen_tcp:close(S),
    ok = gen_tcp:close(L).

%% Data over IPv6, with a raw peer
inet6_both_ways(_Config) ->
    {ok, L} = gen_tcp:listen(0, [inet6, binary, {ip, loopback}]),
    {ok, Port} = inet:port(L),
    {ok, Peer} = socket:open(inet6, stream, tcp),
    ok = socket:connect(Peer, #{family => inet6, addr => ?LOOPBACK6, port => Port}, 5000),
    {ok, S} = gen_tcp:accept(L, 5000),
    {ok, #{port := PeerPort}} = socket:sockname(Peer),
    {ok, {?LOOPBACK6, PeerPort}} = inet:peername(S),
    tcp_pairs:peer_send(Peer, "hello"),
    receive {tcp, S, <<"hello">>} -> ok end,
    ok = gen_tcp:send(S, "world"),
    <<"world">> = tcp_pairs:peer_recv(Peer, 5),
    tcp_pairs:peer_close(Peer),
    receive {tcp_closed, S} -> ok end,
    ok = gen_tcp:close(L).

%% Accepted IPv4 sockets have tos, ttl and recv* of their listener.
accepted_socket_inherits_ip_options(_Config) ->
    Opts = [{tos, 16}, {ttl, 50}, {recvtos, true}, {recvttl, true}],
    {C, S} = tcp_pairs:pair(Opts, []),
    {ok, Opts} = inet:getopts(S, [tos, ttl, recvtos, recvttl]),
    {ok, [{tos, 0}, {recvtos, false}]} = inet:getopts(C, [tos, recvtos]),
    ok = gen_tcp:close(C),
    ok = gen_tcp:close(S).

%% Accepted IPv6 sockets have tclass and recvtclass of their listener.
accepted_socket_inherits_ipv6_options(_Config) ->
    Opts = [{tclass, 16}, {recvtclass, true}],
    {ok, L} = gen_tcp:listen(0, [inet6 | Opts]),
    {ok, Port} = inet:port(L),
    {ok, C} = gen_tcp:connect(?LOOPBACK6, Port, []),
    {ok, S} = gen_tcp:accept(L, 5000),
    {ok, Opts} = inet:getopts(S, [tclass, recvtclass]),
    [ok = gen_tcp:close(Socket) || Socket <- [S, C, L]],
    ok.

%%
%% Local sockets
%%

%% The path as string or binary, with and without the atom
local_names(_Config) ->
    [begin
        Path = tcp_pairs:local_path(),
        Binary = list_to_binary(Path),
        Address = case Form of string -> {local, Path}; binary -> {local, Binary} end,
        {ok, L} = gen_tcp:listen(0, [{Option, Address} | Family]),
        {ok, C} = gen_tcp:connect(Address, 0, Family),
        {ok, S} = gen_tcp:accept(L, 5000),
        {ok, {local, Binary}} = inet:sockname(L),
        {error, enotconn} = inet:peername(L),
        {ok, {local, Binary}} = inet:sockname(S),
        {ok, {local, Binary}} = inet:peername(C),
        {ok, {local, <<>>}} = inet:sockname(C),
        {ok, {local, <<>>}} = inet:peername(S),
        [{ok, Binary}, {ok, Binary}, {ok, <<>>}] = [inet:port(Socket) || Socket <- [L, S, C]],
        [ok = gen_tcp:close(Socket) || Socket <- [S, C, L]],
        ok = file:delete(Path)
    end || Option <- [ip, ifaddr], Form <- [string, binary], Family <- [[], [local]]],
    ok.

%% Data in packets and in raw, larger than any buffer
local_both_ways(_Config) ->
    {C, S} = do_local_pair([{packet, 4}], [{packet, 4}]),
    Large = binary:copy(<<"0123456789">>, 50000),
    Sender = spawn_link(fun() -> ok = gen_tcp:send(C, Large) end),
    {ok, Large} = gen_tcp:recv(S, 0, 10000),
    eventually(fun() -> not is_process_alive(Sender) end),
    ok = gen_tcp:send(S, "back"),
    {ok, <<"back">>} = gen_tcp:recv(C, 0, 5000),
    [ok = inet:setopts(Socket, [{packet, raw}]) || Socket <- [C, S]],
    ok = gen_tcp:send(C, "raw bytes"),
    {ok, <<"raw">>} = gen_tcp:recv(S, 3, 5000),
    {ok, <<" bytes">>} = gen_tcp:recv(S, 6, 5000),
    ok = gen_tcp:close(C),
    ok = gen_tcp:close(S).

%% A client that binds has a name, too.
local_client_with_a_name(_Config) ->
    Path = tcp_pairs:local_path(),
    Own = tcp_pairs:local_path(),
    {ok, L} = gen_tcp:listen(0, [{ip, {local, Path}}]),
    {ok, C} = gen_tcp:connect({local, Path}, 0, [{ip, {local, Own}}]),
    {ok, S} = gen_tcp:accept(L, 5000),
    OwnName = {ok, {local, list_to_binary(Own)}},
    OwnName = inet:sockname(C),
    OwnName = inet:peername(S),
    [ok = gen_tcp:close(Socket) || Socket <- [S, C, L]],
    [ok = file:delete(File) || File <- [Path, Own]],
    ok.

%% Another port raises in listen and exits in connect.
local_port_must_be_zero(_Config) ->
    Path = tcp_pairs:local_path(),
    {raised, error, function_clause} =
        outcome(fun() -> gen_tcp:listen(1, [{ip, {local, Path}}]) end),
    {raised, exit, {function_clause, stack}} =
        outcome(fun() -> gen_tcp:connect({local, Path}, 1, []) end),
    {error, enoent} = file:read_link_info(Path),
    ok.

%% Where nobody may make a file, not even root.
no_permission(_Config) ->
    case filelib:is_dir("/sys/kernel") of
        true ->
            {error, Reason} = gen_tcp:listen(0, [{ip, {local, "/sys/kernel/gentcp"}}]),
            true = lists:member(Reason, [eperm, eacces]);
        false ->
            {skip, "no /sys, the one place where even root may not make a file"}
    end.

%% 107 octets are the most that a path may have; a longer one is einval.
local_path_limit(_Config) ->
    Directory = tcp_pairs:local_path(),
    ok = file:make_dir(Directory),
    OfLength = fun(Length) ->
        Directory ++ "/" ++ lists:duplicate(Length - length(Directory) - 1, $x)
    end,
    {ok, L} = gen_tcp:listen(0, [{ip, {local, OfLength(107)}}]),
    {ok, {local, Name}} = inet:sockname(L),
    107 = byte_size(Name),
    {ok, C} = gen_tcp:connect({local, OfLength(107)}, 0, []),
    ok = gen_tcp:close(C),
    ok = gen_tcp:close(L),
    {error, einval} = gen_tcp:listen(0, [{ip, {local, OfLength(108)}}]),
    %% As anywhere, connect exits where listen says einval.
    {raised, exit, badarg} =
        outcome(fun() -> gen_tcp:connect({local, OfLength(108)}, 0, []) end),
    {error, enoent} = gen_tcp:listen(0, [{ip, {local, Directory ++ "/missing/x"}}]),
    {error, enoent} = gen_tcp:connect({local, Directory ++ "/missing/x"}, 0, []),
    ok = file:delete(OfLength(107)),
    ok = file:del_dir(Directory).

%% Close leaves the path, which is then in use and refused.
local_path_stays(_Config) ->
    Path = tcp_pairs:local_path(),
    {ok, L} = gen_tcp:listen(0, [{ip, {local, Path}}]),
    {error, eaddrinuse} = gen_tcp:listen(0, [{ip, {local, Path}}]),
    ok = gen_tcp:close(L),
    {ok, _} = file:read_link_info(Path),
    {error, econnrefused} = gen_tcp:connect({local, Path}, 0, []),
    {error, eaddrinuse} = gen_tcp:listen(0, [{ip, {local, Path}}]),
    ok = file:delete(Path),
    {ok, Again} = gen_tcp:listen(0, [{ip, {local, Path}}]),
    ok = gen_tcp:close(Again),
    ok = file:delete(Path).

%% An abstract name begins with a 0 and comes back with it.
local_abstract_names(_Config) ->
    Name = <<0, (list_to_binary(tcp_pairs:local_path()))/binary>>,
    {ok, L} = gen_tcp:listen(0, [{ip, {local, Name}}]),
    {ok, {local, Name}} = inet:sockname(L),
    {ok, Name} = inet:port(L),
    {ok, C} = gen_tcp:connect({local, Name}, 0, []),
    {ok, S} = gen_tcp:accept(L, 5000),
    {ok, {local, Name}} = inet:peername(C),
    [ok = gen_tcp:close(Socket) || Socket <- [S, C, L]],
    %% Nothing stays of an abstract name.
    {error, econnrefused} = gen_tcp:connect({local, Name}, 0, []),
    ok.

%% Linux finds a free abstract name of five characters.
local_autobind(_Config) ->
    {ok, L} = gen_tcp:listen(0, [{ip, {local, <<>>}}]),
    {ok, {local, <<0, Five:5/binary>>}} = inet:sockname(L),
    {ok, C} = gen_tcp:connect({local, <<0, Five/binary>>}, 0, []),
    ok = gen_tcp:close(C),
    ok = gen_tcp:close(L).

%% A local socket needs a path, and one of another family takes none.
local_family_mismatches(_Config) ->
    Path = tcp_pairs:local_path(),
    {error, einval} = gen_tcp:listen(0, [local]),
    [{raised, exit, badarg} = outcome(fun() -> gen_tcp:listen(0, Opts) end)
     || Opts <- [[local, {ip, ?LOOPBACK}], [inet, {ip, {local, Path}}],
                 [inet6, {ip, {local, Path}}]]],
    [{raised, exit, {function_clause, stack}} =
         outcome(fun() -> gen_tcp:connect(Destination, 1, [local]) end)
     || Destination <- [?LOOPBACK, "localhost"]],
    [{raised, exit, badarg} = outcome(fun() -> gen_tcp:connect({local, Path}, 0, [Family]) end)
     || Family <- [inet, inet6]],
    ok.

%% The end, the half close and what calls answer after them are those of TCP.
local_end_and_shutdown(_Config) ->
    {C, S} = do_local_pair([{exit_on_close, false}], []),
    ok = gen_tcp:send(C, "question"),
    ok = gen_tcp:shutdown(C, write),
    {ok, <<"question">>} = gen_tcp:recv(S, 8, 5000),
    {error, closed} = gen_tcp:recv(S, 0, 5000),
    {error, closed} = gen_tcp:recv(S, 0, 5000),
    ok = gen_tcp:send(S, "answer"),
    ok = gen_tcp:close(S),
    {ok, <<"answer">>} = gen_tcp:recv(C, 6, 5000),
    {error, closed} = gen_tcp:recv(C, 0, 5000),
    {error, enotconn} = gen_tcp:recv(C, 0, 5000),
    ok = gen_tcp:close(C),
    true = is_gone(C).

%% A local socket is armed, and sends messages, as one of TCP.
local_active_messages(_Config) ->
    {C, S} = do_local_pair([{active, once}], []),
    ok = gen_tcp:send(C, "first"),
    receive {tcp, S, <<"first">>} -> ok end,
    ok = gen_tcp:send(C, "second"),
    ok = inet:setopts(S, [{active, true}]),
    receive {tcp, S, <<"second">>} -> ok end,
    ok = gen_tcp:close(C),
    receive {tcp_closed, S} -> ok end,
    eventually(fun() -> is_gone(S) end),
    ok = mailbox:none().

%% Options of IP are refused and left out of getopts; nodelay has no effect.
local_options(_Config) ->
    {C, S} = do_local_pair([], []),
    [ok = inet:setopts(S, [Option])
     || Option <- [{nodelay, true}, {keepalive, true}, {reuseaddr, true}, {priority, 1}]],
    [{error, einval} = inet:setopts(S, [Option])
     || Option <- [{tos, 1}, {ttl, 3}, {tclass, 1}, {recvtos, true}]],
    {ok, [{active, false}, {keepalive, true}, {reuseaddr, true}, {packet, 0}]} =
        inet:getopts(S, [active, nodelay, tos, tclass, ttl, recvtos, nopush, keepalive,
                         reuseaddr, packet]),
    ok = gen_tcp:close(C),
    ok = gen_tcp:close(S).

%%
%% Descriptors
%%

%% A listening descriptor of somebody else is used as it is, and stays
%% open when the socket is closed.
fd_of_a_listener(_Config) ->
    PeerListener = tcp_pairs:peer_listen(),
    Port = tcp_pairs:peer_port(PeerListener),
    {ok, Fd} = socket:getopt(PeerListener, {otp, fd}),
    {ok, L} = gen_tcp:listen(0, [{fd, Fd}, binary, {active, false}]),
    {ok, {?LOOPBACK, Port}} = inet:sockname(L),
    {ok, C1} = gen_tcp:connect(?LOOPBACK, Port, [{active, false}]),
    {ok, S} = gen_tcp:accept(L, 5000),
    ok = gen_tcp:send(C1, "hello"),
    {ok, <<"hello">>} = gen_tcp:recv(S, 5, 5000),
    ok = gen_tcp:close(L),
    {ok, C2} = gen_tcp:connect(?LOOPBACK, Port, [{active, false}]),
    Peer = tcp_pairs:peer_accept(PeerListener),
    ok = gen_tcp:send(C2, "still there"),
    <<"still there">> = tcp_pairs:peer_recv(Peer, 11),
    [ok = gen_tcp:close(Socket) || Socket <- [S, C1, C2]],
    tcp_pairs:peer_close(Peer),
    tcp_pairs:peer_close(PeerListener).

%% What is no descriptor, and what is none of a socket.
fd_refusals(Config) ->
    {error, ebadf} = gen_tcp:listen(0, [{fd, 99999}]),
    Path = filename:join(proplists:get_value(priv_dir, Config), "no_socket"),
    {ok, File} = file:open(Path, [write, raw]),
    {error, enotsock} = gen_tcp:listen(0, [{fd, do_descriptor(Path)}]),
    ok = file:close(File),
    PeerListener = tcp_pairs:peer_listen(),
    {ok, Fd} = socket:getopt(PeerListener, {otp, fd}),
    {raised, error, badmatch} = outcome(fun() -> gen_tcp:listen(1, [{fd, Fd}]) end),
    tcp_pairs:peer_close(PeerListener).

%%
%% Helpers
%%

do_local_pair(ListenOpts, ConnectOpts) ->
    Path = tcp_pairs:local_path(),
    {ok, L} = gen_tcp:listen(0, [{ip, {local, Path}}, binary, {active, false} | ListenOpts]),
    {ok, C} = gen_tcp:connect({local, Path}, 0, [binary, {active, false} | ConnectOpts]),
    {ok, S} = gen_tcp:accept(L, 5000),
    ok = gen_tcp:close(L),
    ok = file:delete(Path),
    {C, S}.

%% A port that was free a moment ago.
do_unused_port() ->
    {L, Port} = tcp_pairs:listen(),
    ok = gen_tcp:close(L),
    Port.

%% The descriptor under which this node has a file open.
do_descriptor(Path) ->
    Directory = "/proc/self/fd",
    {ok, Names} = file:list_dir(Directory),
    [Fd] = [list_to_integer(Name)
            || Name <- Names,
               {ok, Target} <- [file:read_link(filename:join(Directory, Name))],
               filename:basename(Target) =:= filename:basename(Path)],
    Fd.
