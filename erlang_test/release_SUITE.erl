%% @doc What OTP has got since its release 25: where the release that runs has it, gentcp has
%% it too, and where not, not.
-module(release_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, groups/0, suite/0, init_per_group/2, end_per_group/2]).

-export([
    records_of_options_may_grow/1,
    keepalive_options/1,
    keepalive_options_in_lists/1,
    multipath_listener/1,
    multipath_connection/1,
    multipath_and_a_local_socket/1,
    protocols_that_are_refused/1,
    protocol_is_no_option_of_a_socket/1,
    module_before_family/1,
    own_functions_have_their_own_module/1
]).

-define(LOOPBACK, {127, 0, 0, 1}).
-define(SOL_SOCKET, 1).
-define(SO_PROTOCOL, 38).
-define(IPPROTO_TCP, 6).
-define(IPPROTO_MPTCP, 262).

suite() -> [{timetrap, {seconds, 30}}].

all() -> driver_groups:all().

groups() ->
    driver_groups:groups(
      [records_of_options_may_grow, keepalive_options, keepalive_options_in_lists,
       multipath_listener, multipath_connection, multipath_and_a_local_socket,
       protocols_that_are_refused, protocol_is_no_option_of_a_socket, module_before_family,
       own_functions_have_their_own_module]).

init_per_group(Group, Config) -> driver_groups:init(Group, Config).

end_per_group(Group, Config) -> driver_groups:done(Group, Config).

%% The records of inet:connect_options/2 and inet:listen_options/2 have got a field more in OTP
%% 28, and may get others.
records_of_options_may_grow(_Config) ->
    Known = #{ifaddr => any, port => 1, fd => 2, opts => [{active, true}]},
    Connect = {connect_opts, any, 1, 2, [{active, true}]},
    Listen = {listen_opts, any, 1, 5, 2, [{active, true}]},
    [begin
         ?assertEqual(Known, maps:with(maps:keys(Known), gentcp_open:read(Read))),
         ?assertEqual(Protocol, maps:get(protocol, gentcp_open:read(Read), missing)),
         ?assertEqual(Backlog, maps:get(backlog, gentcp_open:read(Read), missing))
     end || {Record, Backlog} <- [{Connect, missing}, {Listen, 5}],
            {Read, Protocol} <- [{Record, missing},
                                 {do_append(Record, [mptcp]), mptcp},
                                 {do_append(Record, [undefined, a, b, c]), undefined}]],
    %% Those of the release that runs.
    {ok, C} = inet:connect_options([{ip, {1, 2, 3, 4}}, {port, 7}, {nodelay, true}], inet_tcp),
    ?assertMatch(#{ifaddr := {1, 2, 3, 4}, port := 7, fd := -1,
                   opts := [{active, true}, {nodelay, true}]}, gentcp_open:read(C)),
    {ok, L} = inet:listen_options([{ip, {1, 2, 3, 4}}, {port, 7}, {backlog, 9}], inet_tcp),
    ?assertMatch(#{ifaddr := {1, 2, 3, 4}, port := 7, backlog := 9, fd := -1,
                   opts := [{active, true}]}, gentcp_open:read(L)).

do_append(Record, Values) ->
    list_to_tuple(tuple_to_list(Record) ++ Values).

%%
%% The options of keepalive, since 28
%%

do_keepalive_rows() ->
    Bad = [undefined, true, infinity, "1", <<1>>, 1.0, {1, 1}],
    %% The kernel refuses the values behind `kept', and nobody hears of it.
    [#{name => keepcnt, default => 9, value => 4, kept => [0, -1, 128], bad => Bad},
     #{name => keepidle, default => 7200, value => 60, kept => [0, -1, 32768], bad => Bad},
     #{name => keepintvl, default => 75, value => 20, kept => [0, -1, 32768], bad => Bad},
     #{name => user_timeout, default => 0, value => 3000, kept => [], bad => [-1 | Bad]}].

keepalive_options(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    Has = running_otp:release() >= 28,
    rows:each(
      do_keepalive_rows(),
      fun(#{name := Name, value := Value}) when not Has ->
              ?assertEqual({error, einval}, inet:setopts(S, [{Name, Value}])),
              ?assertEqual({error, einval}, inet:getopts(S, [Name]));
         (#{name := Name, default := Default, value := Value, kept := Kept, bad := Bad}) ->
              ?assertEqual({ok, [{Name, Default}]}, inet:getopts(S, [Name])),
              ?assertEqual(ok, inet:setopts(S, [{Name, Value}])),
              [?assertEqual({K, ok}, {K, inet:setopts(S, [{Name, K}])}) || K <- Kept],
              [?assertEqual({B, {error, einval}}, {B, inet:setopts(S, [{Name, B}])}) || B <- Bad],
              ?assertEqual({ok, [{Name, Value}]}, inet:getopts(S, [Name]))
      end),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% In the lists of connect and listen; accepted sockets have what their listener has.
keepalive_options_in_lists(_Config) ->
    rows:each(
      do_keepalive_rows(),
      fun(#{name := Name, value := Value, bad := [Bad | _]}) ->
              case running_otp:release() >= 28 of
                  false ->
                      ?assertEqual({raised, exit, badarg}, do_listen([{Name, Value}])),
                      ?assertEqual({raised, exit, badarg}, do_connect(1, [{Name, Value}]));
                  true ->
                      {Client, Server} = tcp_pairs:pair([{Name, Value}]),
                      [begin
                           ?assertEqual({ok, [{Name, Value}]}, inet:getopts(S, [Name])),
                           ok = gen_tcp:close(S)
                       end || S <- [Client, Server]],
                      ?assertEqual({raised, exit, badarg}, do_listen([{Name, Bad}])),
                      ?assertEqual({raised, exit, badarg}, do_connect(1, [{Name, Bad}]))
              end
      end).

%%
%% The option protocol
%%

multipath_listener(_Config) ->
    do_with_mptcp(
      fun() ->
              [begin
                   {ok, L} = gen_tcp:listen(0, [{protocol, Protocol} | Family]),
                   ?assertEqual({Family, Protocol, Number}, {Family, Protocol, do_protocol(L)}),
                   ok = gen_tcp:close(L)
               end || Family <- [[], [inet], [inet6]],
                      {Protocol, Number} <- [{tcp, ?IPPROTO_TCP}, {mptcp, ?IPPROTO_MPTCP}]],
              %% The last one counts, and the other options count as well.
              {ok, Tcp} = gen_tcp:listen(0, [{protocol, mptcp}, {protocol, tcp}]),
              ?assertEqual(?IPPROTO_TCP, do_protocol(Tcp)),
              {ok, L} = gen_tcp:listen(0, [{protocol, mptcp}, {packet, 2}, {nodelay, true}]),
              ?assertEqual({ok, [{packet, 2}, {nodelay, true}]}, inet:getopts(L, [packet, nodelay])),
              [ok = gen_tcp:close(S) || S <- [Tcp, L]]
      end).

multipath_connection(_Config) ->
    do_with_mptcp(
      fun() ->
              [begin
                   {L, Port} = tcp_pairs:listen([{protocol, Server}, {packet, 2}]),
                   {ok, C} = gen_tcp:connect(?LOOPBACK, Port, [binary, {protocol, Client},
                                                               {packet, 2}, {active, false}]),
                   {ok, S} = gen_tcp:accept(L),
                   ?assertEqual({Client, Number}, {Client, do_protocol(C)}),
                   Data = binary:copy(<<"multipath">>, 5000),
                   ok = gen_tcp:send(C, Data),
                   ?assertEqual({ok, Data}, gen_tcp:recv(S, 0, 5000)),
                   ok = gen_tcp:send(S, Data),
                   ok = gen_tcp:close(S),
                   ?assertEqual({ok, Data}, gen_tcp:recv(C, 0, 5000)),
                   ?assertEqual({error, closed}, gen_tcp:recv(C, 0, 5000)),
                   [ok = gen_tcp:close(Socket) || Socket <- [C, L]]
               end || Server <- [tcp, mptcp],
                      {Client, Number} <- [{tcp, ?IPPROTO_TCP}, {mptcp, ?IPPROTO_MPTCP}]]
      end).

multipath_and_a_local_socket(_Config) ->
    Path = tcp_pairs:local_path(),
    Opts = [local, {ip, {local, Path}}, {protocol, mptcp}],
    case running_otp:has_mptcp() of
        true ->
            {ok, L} = gen_tcp:listen(0, Opts),
            ?assertEqual(0, do_protocol(L)),
            ok = gen_tcp:close(L),
            ok = file:delete(Path);
        false ->
            ?assertEqual({raised, exit, badarg}, do_listen(Opts))
    end.

protocols_that_are_refused(_Config) ->
    Refused = [udp, sctp, 6, "mptcp", <<"mptcp">>]
        ++ [Known || Known <- [tcp, mptcp], not running_otp:has_mptcp()],
    [?assertEqual({P, {raised, exit, badarg}, {raised, exit, badarg}},
                  {P, do_listen([{protocol, P}]), do_connect(1, [{protocol, P}])})
     || P <- Refused].

protocol_is_no_option_of_a_socket(_Config) ->
    {L, _Port} = tcp_pairs:listen(),
    ?assertEqual({error, einval}, inet:setopts(L, [{protocol, tcp}])),
    ?assertEqual({error, einval}, inet:getopts(L, [protocol])),
    ok = gen_tcp:close(L).

do_with_mptcp(Check) ->
    case running_otp:has_mptcp() andalso socket:open(inet, stream, mptcp) of
        false ->
            ?assertEqual({raised, exit, badarg}, do_listen([{protocol, mptcp}]));
        {ok, Socket} ->
            ok = socket:close(Socket),
            Check();
        {error, _} ->
            ?assertMatch({error, Reason} when Reason =:= eprotonosupport;
                                              Reason =:= enoprotoopt;
                                              Reason =:= einval,
                         do_listen([{protocol, mptcp}]))
    end.

do_protocol(S) ->
    {ok, [{raw, _, _, <<Number:32/native>>}]} =
        inet:getopts(S, [{raw, ?SOL_SOCKET, ?SO_PROTOCOL, 4}]),
    Number.

%%
%% Modules
%%

%% Before 29 the first of a family and a module in the list won, since then it is the module.
module_before_family(_Config) ->
    [begin
         {ok, L} = gen_tcp:listen(0, Opts),
         {ok, {Address, _}} = inet:sockname(L),
         ?assertEqual({Opts, Size}, {Opts, tuple_size(Address)}),
         ok = gen_tcp:close(L)
     end || {Opts, Size} <-
                [{[{tcp_module, inet_tcp}, inet6], 4}, {[{tcp_module, inet6_tcp}, inet], 8}
                 | case running_otp:release() >= 29 of
                       true -> [{[inet6, {tcp_module, inet_tcp}], 4},
                                {[inet, {tcp_module, inet6_tcp}], 8}];
                       false -> [{[inet6, {tcp_module, inet_tcp}], 8},
                                 {[inet, {tcp_module, inet6_tcp}], 4}]
                   end]].

%% Whatever else the list names.
own_functions_have_their_own_module(_Config) ->
    {ok, _} = application:ensure_all_started(gentcp),
    [begin
         {ok, L} = gentcp:listen(0, Opts),
         ?assertMatch({'$inet', gentcp, _}, L),
         {ok, Port} = gentcp:port(L),
         {ok, C} = gentcp:connect(localhost, Port, Opts),
         ?assertMatch({'$inet', gentcp, _}, C),
         [ok = gentcp:close(S) || S <- [C, L]]
     end || Opts <- [[{tcp_module, inet_tcp}], [inet, {tcp_module, inet_tcp}],
                     [{tcp_module, inet_tcp}, inet]]].

do_listen(Opts) -> do_outcome(fun() -> gen_tcp:listen(0, Opts) end).

do_connect(Port, Opts) -> do_outcome(fun() -> gen_tcp:connect(?LOOPBACK, Port, Opts, 5000) end).

do_outcome(Open) ->
    try Open() catch Class:Reason -> {raised, Class, Reason} end.
