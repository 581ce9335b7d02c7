%% @doc The application itself: how it starts and ends, what happens when the
%% port program or the node dies, what dead processes leave behind, and that
%% install and uninstall disturb nobody.
%%
%% These cases have no counterpart on the stock driver.
-module(application_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, init_per_testcase/2, end_per_testcase/2]).

%% Starting.
-export([
    first_use_starts_the_application/1,
    missing_program_is_an_error/1,
    program_that_is_no_port_program_is_an_error/1,
    stopping_node_opens_no_socket/1,
    shards_share_the_sockets/1,
    stop_ends_the_port_program/1
]).

%% Dying.
-export([
    port_program_is_killed/1,
    calls_in_flight_when_the_port_program_is_killed/1,
    port_program_is_killed_again_and_again/1,
    port_program_cannot_be_started_again/1,
    port_program_is_replaced_unasked/1,
    port_program_loses_its_way/1,
    router_is_killed/1,
    port_program_is_stuck/1,
    port_program_is_stuck_and_its_pipe_full/1,
    node_is_killed/1
]).

%% What dead processes leave behind.
-export([
    dead_acceptor_takes_no_connection/1,
    dead_receiver_takes_no_data/1,
    dead_receiver_takes_no_packet/1,
    dead_connector_leaves_no_socket/1,
    killed_sender_leaves_no_half_packet/1
]).

%% Passing a socket on.
-export([
    messages_in_flight_reach_the_new_owner_in_order/1,
    new_owner_dies_with_the_socket/1
]).

%% install and uninstall.
-export([
    install_covers_every_family/1,
    install_disturbs_nobody/1,
    uninstall_brings_stock_back/1,
    distribution_starts_on_an_installed_node/1,
    peer_over_tcp_starts_from_an_installed_node/1
]).

%% Other ways in.
-export([
    functions_of_this_module/1,
    default_module_of_the_node/1,
    transport_for_ssl/1,
    session_from_the_protocol_document/1
]).

%% Looking at it.
-export([
    i_prints_a_line_for_each_socket/1,
    router_answers_sys/1
]).

%% Other systems.
-export([sendfile_where_descriptors_have_no_names/1]).

-import(tcp_pairs, [eventually/1, flush/0]).

-define(LOOPBACK, {127, 0, 0, 1}).
-define(OPTS, [binary, {active, false}, {ip, ?LOOPBACK}]).

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    [
        first_use_starts_the_application,
        missing_program_is_an_error,
        program_that_is_no_port_program_is_an_error,
        stopping_node_opens_no_socket,
        shards_share_the_sockets,
        stop_ends_the_port_program,
        port_program_is_killed,
        calls_in_flight_when_the_port_program_is_killed,
        port_program_is_killed_again_and_again,
        port_program_cannot_be_started_again,
        port_program_is_replaced_unasked,
        port_program_loses_its_way,
        router_is_killed,
        port_program_is_stuck,
        port_program_is_stuck_and_its_pipe_full,
        node_is_killed,
        dead_acceptor_takes_no_connection,
        dead_receiver_takes_no_data,
        dead_receiver_takes_no_packet,
        dead_connector_leaves_no_socket,
        killed_sender_leaves_no_half_packet,
        messages_in_flight_reach_the_new_owner_in_order,
        new_owner_dies_with_the_socket,
        install_covers_every_family,
        install_disturbs_nobody,
        uninstall_brings_stock_back,
        distribution_starts_on_an_installed_node,
        peer_over_tcp_starts_from_an_installed_node,
        functions_of_this_module,
        default_module_of_the_node,
        transport_for_ssl,
        session_from_the_protocol_document,
        i_prints_a_line_for_each_socket,
        router_answers_sys,
        sendfile_where_descriptors_have_no_names
    ].

init_per_testcase(_Case, Config) ->
    ok = do_stop(),
    Config.

end_per_testcase(_Case, _Config) ->
    ok = gentcp:uninstall(),
    ok = inet_db:set_tcp_module(inet_tcp),
    ok = do_stop(),
    [ok = application:unset_env(gentcp, Key)
     || Key <- [shards, port_program, port_args, heartbeat]],
    ok.

%%
%% Starting
%%

first_use_starts_the_application(_Config) ->
    false = do_is_running(),
    {ok, L} = gen_tcp:listen(0, [{tcp_module, gentcp_tcp} | ?OPTS]),
    {'$inet', gentcp, _} = L,
    true = do_is_running(),
    ok = gen_tcp:close(L).

missing_program_is_an_error(_Config) ->
    ok = application:set_env(gentcp, port_program, "/nonexistent/gentcp_port"),
    {error, enoent} = gentcp:listen(0, ?OPTS),
    {error, enoent} = gentcp:connect(?LOOPBACK, 1, []),
    ?assertEqual({error, enoent}, gentcp:install()),
    %% Nothing is left of the attempts.
    ok = application:unset_env(gentcp, port_program),
    {ok, L} = gentcp:listen(0, ?OPTS),
    ok = gentcp:close(L).

program_that_is_no_port_program_is_an_error(_Config) ->
    ok = application:set_env(gentcp, port_program, "/bin/true"),
    {error, eproto} = gentcp:listen(0, ?OPTS),
    %% A frame that is no term, and a term that is no hello.
    ok = application:set_env(gentcp, port_program, "/bin/sh"),
    [begin
         ok = application:set_env(gentcp, port_args, ["-c", "printf '" ++ Frame ++ "'; read wait"]),
         {error, eproto} = gentcp:listen(0, ?OPTS)
     end || Frame <- ["\\0\\0\\0\\5hello", "\\0\\0\\0\\2\\203j"]],
    ok.

%% Once it stops, the application controller answers nobody.
stopping_node_opens_no_socket(_Config) ->
    {ok, Peer, _} = peer_node:start(),
    ok = peer:call(Peer, sys, suspend, [application_controller]),
    ?assertEqual({error, closed}, peer:call(Peer, gentcp, listen, [0, ?OPTS])),
    ok = peer:call(Peer, sys, resume, [application_controller]),
    {ok, _} = peer:call(Peer, gentcp, listen, [0, ?OPTS]),
    ok = peer:stop(Peer).

shards_share_the_sockets(_Config) ->
    ok = application:set_env(gentcp, shards, 3),
    Ls = [begin {ok, L} = gentcp:listen(0, ?OPTS), L end || _ <- lists:seq(1, 6)],
    Infos = gentcp:port_info(all),
    ?assertEqual([2, 2, 2], [N || #{sockets := N} <- Infos]),
    ?assertEqual(3, length(lists:usort([Pid || #{os_pid := Pid} <- Infos]))),
    ?assertEqual(6, maps:get(sockets, gentcp:port_info())),
    ?assertEqual(lists:sort(Ls), lists:sort(gentcp:which_sockets())),
    %% What is accepted lives where its listener does, wherever the client is.
    [begin
         {ok, Port} = gentcp:port(L),
         {ok, C} = gentcp:connect(?LOOPBACK, Port, ?OPTS, 5000),
         {ok, S} = gentcp:accept(L, 5000),
         ?assertEqual(do_port(L), do_port(S)),
         ok = gentcp:send(C, "x"),
         {ok, <<"x">>} = gentcp:recv(S, 1, 5000),
         Ref = gentcp:monitor(S),
         true = gentcp:cancel_monitor(Ref),
         false = gentcp:cancel_monitor(Ref)
     end || L <- Ls],
    ok.

stop_ends_the_port_program(_Config) ->
    {C, S} = do_pair([{active, true}], []),
    #{os_pid := OsPid} = gentcp:port_info(),
    ok = do_stop(),
    eventually(fun() -> not os_process:lives(OsPid) end),
    ?assertEqual([{tcp_error, C, econnaborted}, {tcp_closed, C}], flush()),
    ?assertEqual({error, closed}, gentcp:send(S, "x")),
    ?assertEqual([], gentcp:which_sockets()).

%%
%% Dying
%%

%% Active owners get messages, as of a connection that failed; passive ones find
%% out with their next call. Old sockets stay closed, new ones work at once.
port_program_is_killed(_Config) ->
    {Active, _} = do_pair([{active, true}], []),
    {Passive, _} = do_pair([], []),
    {Once, OncePeer} = do_pair([{active, once}], []),
    {Fired, FiredPeer} = do_pair([{active, once}], []),
    {ok, L} = gentcp:listen(0, ?OPTS),
    ok = gentcp:send(FiredPeer, "x"),
    receive {tcp, Fired, <<"x">>} -> ok end,
    Ref = gentcp:monitor(Passive),
    ok = do_kill_port_program(),
    receive {'DOWN', Ref, port, Passive, econnaborted} -> ok end,
    ?assertEqual([{tcp_error, Active, econnaborted}, {tcp_closed, Active},
                  {tcp_error, Once, econnaborted}, {tcp_closed, Once}], flush()),
    {ok, New} = gentcp:listen(0, ?OPTS),
    [begin
         ?assertEqual({error, closed}, gentcp:send(S, "x")),
         ?assertEqual({error, closed}, gentcp:recv(S, 0, 0)),
         ?assertEqual({error, closed}, gentcp:accept(S, 0)),
         ?assertEqual({error, closed}, gentcp:shutdown(S, write)),
         ?assertEqual({error, closed}, gentcp:controlling_process(S, self())),
         ?assertEqual({error, einval}, gentcp:setopts(S, [{active, true}])),
         ?assertEqual({error, einval}, gentcp:sockname(S)),
         ?assertEqual(#{states => [closed]}, gentcp:info(S)),
         ?assertEqual(ok, gentcp:close(S))
     end || S <- [Active, Passive, Once, OncePeer, L]],
    ?assertEqual([New], gentcp:which_sockets()),
    {_, _} = do_pair([], []),
    ok.

calls_in_flight_when_the_port_program_is_killed(_Config) ->
    {C, _S} = do_pair([], []),
    {ok, L} = gentcp:listen(0, ?OPTS),
    Calls = [fun() -> gentcp:recv(C, 0) end, fun() -> gentcp:accept(L) end],
    Callers = [spawn_monitor(fun() -> exit(Call()) end) || Call <- Calls],
    eventually(fun() -> lists:all(fun({Pid, _}) -> do_waits(Pid) end, Callers) end),
    ok = do_kill_port_program(),
    [receive {'DOWN', Ref, process, Pid, Result} -> ?assertEqual({error, closed}, Result) end
     || {Pid, Ref} <- Callers],
    ok.

%% Each time the next socket works, whether or not the death has been noticed.
port_program_is_killed_again_and_again(_Config) ->
    [begin
         {C, S} = do_pair([], []),
         ok = gentcp:send(C, <<N>>),
         {ok, <<N>>} = gentcp:recv(S, 1, 5000),
         Ref = gentcp:monitor(C),
         ok = do_kill_port_program(),
         receive {'DOWN', Ref, port, C, econnaborted} -> ok end
     end || N <- lists:seq(1, 10)],
    ok.

%% The application goes on: a release that has it permanent would end with it.
port_program_cannot_be_started_again(_Config) ->
    {C, _S} = do_pair([], []),
    ok = application:set_env(gentcp, port_program, "/nonexistent/gentcp_port"),
    ok = do_kill_port_program(),
    {error, closed} = gentcp:recv(C, 0),
    [?assertEqual({error, enoent}, gentcp:listen(0, ?OPTS)) || _ <- lists:seq(1, 200)],
    true = do_is_running(),
    ok = application:unset_env(gentcp, port_program),
    {_, _} = do_pair([], []),
    ok.

%% One that has lived for a while, that is.
port_program_is_replaced_unasked(_Config) ->
    {_, _} = do_pair([], []),
    #{os_pid := OsPid} = gentcp:port_info(),
    timer:sleep(1100),
    ok = do_kill_port_program(),
    eventually(fun() ->
        #{os_pid := New} = gentcp:port_info(),
        is_integer(New) andalso New =/= OsPid
    end).

%% A program that opens a socket as it should, and then writes what is no term.
port_program_loses_its_way(_Config) ->
    Hello = term_to_binary([{hello, 1, #{os_pid => 1}}]),
    Reply = term_to_binary([{reply, 1, {ok, 1}}]),
    Expected = [gentcp_proto:hello(1 bsl 23),
                gentcp_proto:router_call(1, {connect, inet, {?LOOPBACK, 1}, undefined,
                                             [{active, true}], infinity})],
    Script = lists:concat(["printf '", do_printf(Hello), "'; ",
                           "head -c ", lists:sum([4 + byte_size(E) || E <- Expected]),
                           " > /dev/null; printf '", do_printf(Reply), "'; ",
                           "head -c 1 > /dev/null; printf '", do_printf(<<"what?">>), "'; ",
                           "cat > /dev/null"]),
    ok = application:set_env(gentcp, port_program, "/bin/sh"),
    ok = application:set_env(gentcp, port_args, ["-c", Script]),
    {ok, C} = gentcp:connect(?LOOPBACK, 1, [{active, true}]),
    ok = application:unset_env(gentcp, port_program),
    ok = application:unset_env(gentcp, port_args),
    {error, closed} = gentcp:recv(C, 0),
    ?assertEqual([{tcp_error, C, econnaborted}, {tcp_closed, C}], flush()),
    {_, _} = do_pair([], []),
    ok.

%% Nobody is there to tell the owners, but calls end and nothing is left.
router_is_killed(_Config) ->
    {C, _S} = do_pair([], []),
    Router = do_router(),
    Ref = erlang:monitor(process, Router),
    exit(Router, kill),
    receive {'DOWN', Ref, process, Router, killed} -> ok end,
    ?assertEqual({error, closed}, gentcp:send(C, "x")),
    ?assertEqual({error, closed}, gentcp:recv(C, 0)),
    {New, _} = do_pair([], []),
    ?assertEqual([do_port(New)], [Port || {{gentcp_port, Port}, _} <- persistent_term:get()]).

%% A program that is stopped never gives notice, but misses the heartbeat.
port_program_is_stuck(_Config) ->
    ok = application:set_env(gentcp, heartbeat, 100),
    {C, _S} = do_pair([], []),
    #{os_pid := OsPid} = gentcp:port_info(),
    os_process:signal("STOP", OsPid),
    ?assertEqual({error, closed}, gentcp:recv(C, 0)),
    {_, _} = do_pair([], []),
    eventually(fun() -> not os_process:lives(OsPid) end).

%% Those who write to it wait, and with them the router, until it is found out.
port_program_is_stuck_and_its_pipe_full(_Config) ->
    ok = application:set_env(gentcp, heartbeat, 5000),
    {C, _S} = do_pair([{high_watermark, 100_000_000}], []),
    #{os_pid := OsPid} = gentcp:port_info(),
    os_process:signal("STOP", OsPid),
    Data = binary:copy(<<"x">>, 100_000),
    Senders = [spawn_monitor(fun() -> exit(gentcp:send(C, Data)) end) || _ <- lists:seq(1, 50)],
    eventually(fun() -> lists:any(fun({Pid, _}) -> do_is_suspended(Pid) end, Senders) end),
    ?assertEqual({error, closed}, gentcp:listen(0, ?OPTS)),
    [receive {'DOWN', Ref, process, Pid, Result} ->
         ?assert(lists:member(Result, [ok, {error, closed}]))
     end || {Pid, Ref} <- Senders],
    {_, _} = do_pair([], []),
    eventually(fun() -> not os_process:lives(OsPid) end).

node_is_killed(_Config) ->
    {ok, Peer, _} = peer_node:start(),
    OsPid = peer:call(Peer, erlang, apply, [fun do_open_and_tell/0, []]),
    NodePid = list_to_integer(peer:call(Peer, os, getpid, [])),
    true = os_process:lives(OsPid),
    os_process:signal("KILL", NodePid),
    eventually(fun() -> not os_process:lives(OsPid) end).

%%
%% What dead processes leave behind
%%

dead_acceptor_takes_no_connection(_Config) ->
    {ok, L} = gentcp:listen(0, [{backlog, 16} | ?OPTS]),
    {ok, Port} = gentcp:port(L),
    [begin
         {Pid, Ref} = spawn_monitor(fun() -> gentcp:accept(L) end),
         eventually(fun() -> do_waits(Pid) end),
         %% The connection and the exit race; whoever wins, it is not lost.
         {ok, _} = gentcp:connect(?LOOPBACK, Port, [{active, false}], 5000),
         exit(Pid, kill),
         receive {'DOWN', Ref, process, Pid, Reason} ->
             true = Reason =:= killed orelse Reason =:= normal
         end
     end || _ <- lists:seq(1, 20)],
    %% Acceptors that got theirs before they died took it with them, as they do in
    %% stock; the others are all here.
    Left = do_accept_all(L),
    Closed = length([C || C <- gentcp:which_sockets(), do_peer_has_closed(C)]),
    ?assertEqual(20, length(Left) + Closed).

dead_receiver_takes_no_data(_Config) ->
    {C, S} = do_pair([], []),
    Receive = fun() -> gentcp:recv(S, 0) end,
    %% Dead before the data comes.
    do_killed_while_waiting(Receive),
    ok = gentcp:send(C, "first"),
    {ok, <<"first">>} = gentcp:recv(S, 0, 5000),
    %% A receiver that lives is left alone.
    {Pid, Ref} = spawn_monitor(fun() -> exit(Receive()) end),
    eventually(fun() -> do_waits(Pid) end),
    {error, ealready} = gentcp:recv(S, 0, 0),
    ok = gentcp:send(C, "second"),
    receive {'DOWN', Ref, process, Pid, Result} -> {ok, <<"second">>} = Result end,
    %% Dead when the data comes, with nobody having asked since.
    do_killed_while_waiting(Receive),
    do_answered(fun() -> ok = gentcp:send(C, "third") end),
    {ok, <<"third">>} = gentcp:recv(S, 0, 5000),
    do_killed_while_waiting(Receive),
    ok = gentcp:setopts(S, [{active, true}]),
    ok = gentcp:send(C, "fourth"),
    receive {tcp, S, <<"fourth">>} -> ok end.

dead_receiver_takes_no_packet(_Config) ->
    {C, S} = do_pair([{packet, 4}], [{packet, 4}]),
    do_killed_while_waiting(fun() -> gentcp:recv(S, 0) end),
    do_answered(fun() -> ok = gentcp:send(C, "first") end),
    ok = gentcp:send(C, "second"),
    {ok, <<"first">>} = gentcp:recv(S, 0, 5000),
    {ok, <<"second">>} = gentcp:recv(S, 0, 5000).

dead_connector_leaves_no_socket(_Config) ->
    {ok, L} = gentcp:listen(0, ?OPTS),
    {ok, Port} = gentcp:port(L),
    [begin
         {Pid, Ref} = spawn_monitor(fun() -> gentcp:connect(?LOOPBACK, Port, []) end),
         exit(Pid, kill),
         receive {'DOWN', Ref, process, Pid, _} -> ok end
     end || _ <- lists:seq(1, 20)],
    eventually(fun() -> gentcp:which_sockets() =:= [L] end).

%% The sender of a large packet is killed at any moment of it: the packet comes
%% whole or not at all, and the next one after it.
killed_sender_leaves_no_half_packet(_Config) ->
    {C, S} = do_pair([{packet, 4}], [{packet, 4}]),
    Large = binary:copy(<<"0123456789abcdef">>, 256 * 1024),
    [begin
         {Pid, Ref} = spawn_monitor(fun() -> gentcp:send(C, Large) end),
         do_spin(N * 100),
         exit(Pid, kill),
         receive {'DOWN', Ref, process, Pid, _} -> ok end,
         {Sender, SenderRef} = spawn_monitor(fun() -> exit(gentcp:send(C, <<N>>)) end),
         case gentcp:recv(S, 0, 10000) of
             {ok, Large} -> {ok, <<N>>} = gentcp:recv(S, 0, 10000);
             Other -> ?assertEqual({ok, <<N>>}, Other)
         end,
         receive {'DOWN', SenderRef, process, Sender, Result} -> ok = Result end
     end || N <- lists:seq(1, 10)],
    ok.

%%
%% Passing a socket on
%%

%% Each owner passes the socket on to the next one while data comes.
messages_in_flight_reach_the_new_owner_in_order(_Config) ->
    {S, C} = do_pair([{packet, 2}, {active, true}], [{packet, 2}]),
    Self = self(),
    Total = 2000,
    {Sender, Ref} = spawn_monitor(fun() ->
        [ok = gentcp:send(C, integer_to_binary(N)) || N <- lists:seq(1, Total)]
    end),
    Last = spawn_link(fun() -> Self ! {got, do_collect(S, Total)} end),
    do_pass_on(S, 20, Last),
    receive {'DOWN', Ref, process, Sender, normal} -> ok end,
    receive {got, Numbers} -> ?assertEqual(lists:seq(1, Total), Numbers) end.

new_owner_dies_with_the_socket(_Config) ->
    {C, S} = do_pair([], []),
    Owner = spawn(fun() -> receive stop -> exit(why) end end),
    ok = gentcp:controlling_process(S, Owner),
    {error, not_owner} = gentcp:controlling_process(S, self()),
    Ref = gentcp:monitor(S),
    Owner ! stop,
    receive {'DOWN', Ref, port, S, why} -> ok end,
    {error, closed} = gentcp:recv(C, 0, 5000).

%%
%% install and uninstall
%%

install_covers_every_family(_Config) ->
    ok = gentcp:install(),
    %% The name of a local socket has no room for the directory of a case.
    Path = filename:join(os:getenv("TMPDIR", "/tmp"), "gentcp_" ++ os:getpid()),
    [begin
         {ok, L} = gen_tcp:listen(0, [binary, {active, false} | ListenOpts]),
         {ok, Port} = inet:port(L),
         {To, PortNo} = case Address of {local, _} -> {Address, 0}; _ -> {Address, Port} end,
         {ok, C} = gen_tcp:connect(To, PortNo, [binary, {active, false} | Opts], 5000),
         {ok, S} = gen_tcp:accept(L, 5000),
         [{'$inet', gentcp, _} = Socket || Socket <- [L, C, S]],
         ok = gen_tcp:send(C, "hello"),
         {ok, <<"hello">>} = gen_tcp:recv(S, 5, 5000),
         [ok = gen_tcp:close(Socket) || Socket <- [L, C, S]],
         file:delete(Path)
     end || {ListenOpts, Address, Opts} <- [
         {[], ?LOOPBACK, []},
         {[], "localhost", []},
         {[inet], ?LOOPBACK, [inet]},
         {[inet6], {0, 0, 0, 0, 0, 0, 0, 1}, [inet6]},
         {[inet6], {0, 0, 0, 0, 0, 0, 0, 1}, []},
         {[{ip, {0, 0, 0, 0, 0, 0, 0, 1}}], {0, 0, 0, 0, 0, 0, 0, 1}, []},
         {[local, {ip, {local, Path}}], {local, Path}, [local]},
         {[{ifaddr, {local, Path}}], {local, Path}, []}
     ]],
    ok.

%% A stock acceptor has frames of `inet_tcp' on its stack, and of the code that
%% `inet_tcp' had before the first install.
install_disturbs_nobody(_Config) ->
    {ok, L} = gen_tcp:listen(0, ?OPTS),
    true = is_port(L),
    {ok, Port} = inet:port(L),
    Waiting = [spawn_monitor(fun() -> exit(Accept(L)) end)
               || Accept <- [fun gen_tcp:accept/1,
                             fun(S) -> {ok, _} = gen_tcp:accept(S, 30000) end]],
    eventually(fun() -> lists:all(fun({Pid, _}) -> do_waits(Pid) end, Waiting) end),
    [begin
         ok = gentcp:install(),
         ok = gentcp:install(),
         ok = gentcp:uninstall(),
         ok = gentcp:uninstall()
     end || _ <- lists:seq(1, 5)],
    ok = gentcp:install(),
    [true = is_process_alive(Pid) || {Pid, _} <- Waiting],
    [begin
         %% This connects with gentcp and is accepted by stock.
         {ok, C} = gen_tcp:connect(?LOOPBACK, Port, [], 5000),
         {'$inet', gentcp, _} = C
     end || _ <- Waiting],
    [receive {'DOWN', Ref, process, Pid, {ok, S}} -> true = is_port(S) end
     || {Pid, Ref} <- Waiting],
    true = code:is_sticky(inet_tcp),
    ok = gen_tcp:close(L).

uninstall_brings_stock_back(_Config) ->
    {ok, Before} = gen_tcp:listen(0, ?OPTS),
    ok = gentcp:install(),
    {ok, Ours} = gen_tcp:listen(0, ?OPTS),
    ok = gentcp:uninstall(),
    {ok, After} = gen_tcp:listen(0, ?OPTS),
    {'$inet', gentcp, _} = Ours,
    [begin
         {ok, Port} = inet:port(L),
         {ok, C} = gen_tcp:connect("localhost", Port, [binary, {active, false}], 5000),
         {ok, S} = gen_tcp:accept(L, 5000),
         true = is_port(C),
         {ok, inet_tcp} = inet_db:lookup_socket(C),
         ok = gen_tcp:send(S, "hello"),
         {ok, <<"hello">>} = gen_tcp:recv(C, 5, 5000)
     end || L <- [Before, Ours, After]],
    {ok, inet_tcp} = inet_db:lookup_socket(After),
    %% What stock raises.
    ?assertExit(badarg, gen_tcp:listen(0, [nosuch])),
    ?assertEqual({error, eafnosupport}, gen_tcp:connect({1, 2, 3, 4}, 5, [inet6])).

%% The distribution needs ports, and gets them.
distribution_starts_on_an_installed_node(_Config) ->
    "" = os:cmd("epmd -daemon"),
    {ok, Peer1, _} = peer_node:start(),
    {ok, Peer2, _} = peer_node:start(),
    Name = fun(N) -> list_to_atom(lists:concat(["gentcp_", N, "_", os:getpid()])) end,
    Nodes = [begin
                 ok = peer:call(Peer, gentcp, install, []),
                 {ok, _} = peer:call(Peer, net_kernel, start, [[Name(N), shortnames]]),
                 true = peer:call(Peer, erlang, set_cookie, [gentcp_test]),
                 peer:call(Peer, erlang, node, [])
             end || {N, Peer} <- [{1, Peer1}, {2, Peer2}]],
    pong = peer:call(Peer1, net_adm, ping, [lists:last(Nodes)]),
    ?assertEqual([lists:last(Nodes)], peer:call(Peer1, erlang, nodes, [])),
    peer:stop(Peer1),
    peer:stop(Peer2).

%% `peer' accepts beneath `gen_tcp', and gets a port.
peer_over_tcp_starts_from_an_installed_node(_Config) ->
    ok = gentcp:install(),
    {ok, Peer, _} = peer:start(#{connection => 0}),
    ?assertEqual([1, 2, 3], peer:call(Peer, lists, seq, [1, 3])),
    ok = peer:stop(Peer).

%%
%% Other ways in
%%

functions_of_this_module(_Config) ->
    {ok, L} = gentcp:listen(0, [inet6, binary, {active, false}]),
    {ok, Port} = gentcp:port(L),
    {ok, C} = gentcp:connect(#{family => inet6, addr => {0, 0, 0, 0, 0, 0, 0, 1}, port => Port},
                             [binary, {active, false}], 5000),
    {ok, S} = gentcp:accept(L),
    ok = gentcp:send(C, "hello"),
    ok = gentcp:unrecv(S, "oh "),
    {ok, <<"oh hello">>} = gentcp:recv(S, 8),
    {ok, Name} = gentcp:sockname(C),
    {ok, Name} = gentcp:peername(S),
    {ok, [Name]} = gentcp:peernames(S),
    {ok, [Name]} = gentcp:socknames(C),
    {ok, [{active, false}]} = gentcp:getopts(S, [active]),
    {ok, [{recv_oct, 8} | _]} = gentcp:getstat(S),
    "#Port<" ++ _ = gentcp:socket_to_list(S),
    ok = gentcp:shutdown(C, write),
    {error, closed} = gentcp:recv(S, 0, 5000),
    ok = gentcp:close(S),
    %% Arguments are checked as gen_tcp checks them.
    ?assertExit(badarg, gentcp:listen(0, [nosuch])),
    ?assertExit(badarg, gentcp:connect(?LOOPBACK, Port, [{active, sometimes}])),
    ?assertExit({function_clause, _}, gentcp:connect(?LOOPBACK, 70000, [])),
    ?assertError(function_clause, gentcp:recv(C, -1)),
    ?assertError(function_clause, gentcp:shutdown(C, both)),
    ?assertEqual({error, closed}, gentcp:recv(S, -1)),
    ?assertEqual({error, einval}, gentcp:send(C, [300])),
    ?assertEqual({error, closed}, gentcp:send(S, [300])),
    %% Numbers that the wire has no room for.
    Huge = 1 bsl 64,
    ?assertEqual({error, einval}, gentcp:recv(C, Huge)),
    ?assertEqual({error, einval}, gentcp:accept(C, Huge)),
    ?assertEqual({error, closed}, gentcp:recv(C, 0, Huge)),
    ?assertEqual({error, einval}, gentcp:getopts(L, [active | packet])),
    ?assertError(badarg, gentcp:monitor(foo)).

%% As stock does with `inet_tcp', the default takes IPv6 addresses too.
default_module_of_the_node(_Config) ->
    ok = inet_db:set_tcp_module(gentcp_tcp),
    [begin
         {ok, L} = gen_tcp:listen(0, [binary, {active, false}, {ip, IP}]),
         {ok, {IP, Port}} = inet:sockname(L),
         {ok, C} = gen_tcp:connect(IP, Port, [binary, {active, false}], 5000),
         [{'$inet', gentcp, _} = Socket || Socket <- [L, C]]
     end || IP <- [?LOOPBACK, {0, 0, 0, 0, 0, 0, 0, 1}]],
    {error, eafnosupport} =
        gen_tcp:connect({0, 0, 0, 0, 0, 0, 0, 1}, 1, [inet]).

transport_for_ssl(_Config) ->
    {ok, _} = application:ensure_all_started(ssl),
    #{server_config := ServerConf, client_config := ClientConf} =
        do_certificates(),
    Common = [binary, {active, false}, {packet, 4},
              {cb_info, {gentcp, tcp, tcp_closed, tcp_error, tcp_passive}}],
    {ok, L} = ssl:listen(0, [{reuseaddr, true} | Common] ++ ServerConf),
    {ok, {_, Port}} = ssl:sockname(L),
    {Server, Ref} = spawn_monitor(fun() ->
        {ok, Accepted} = ssl:transport_accept(L, 10000),
        {ok, S} = ssl:handshake(Accepted, 10000),
        do_ssl_echo(S)
    end),
    {ok, C} = ssl:connect("localhost", Port,
                          [{verify, verify_none} | Common]
                          ++ lists:keydelete(verify, 1, ClientConf), 10000),
    [begin
         Data = binary:copy(<<Size:32>>, Size),
         ok = ssl:send(C, Data),
         {ok, Data} = ssl:recv(C, 0, 10000)
     end || Size <- [0, 1, 1000, 100000]],
    ok = ssl:setopts(C, [{active, once}]),
    ok = ssl:send(C, "once"),
    receive {ssl, C, <<"once">>} -> ok end,
    ?assertMatch([_, _, _], gentcp:which_sockets()),
    ok = ssl:close(C),
    receive {'DOWN', Ref, process, Server, normal} -> ok end,
    ok = ssl:close(L).

%% Types the session of PROTOCOL.md into a node that has no line of this
%% application.
session_from_the_protocol_document(_Config) ->
    Expressions = do_session(repository:file("portproto/PROTOCOL.md")),
    ?assert(length(Expressions) > 10),
    {ok, Peer, _} = peer:start(#{connection => standard_io}),
    {error, bad_name} = peer:call(Peer, code, lib_dir, [gentcp]),
    true = peer:call(Peer, os, putenv, ["PATH", do_priv() ++ ":" ++ os:getenv("PATH")]),
    {value, _, _} = peer:call(Peer, erl_eval, exprs, [Expressions, []], 30000),
    peer:stop(Peer).

%%
%% Looking at it
%%

i_prints_a_line_for_each_socket(_Config) ->
    {C, _S} = do_pair([], []),
    ok = gentcp:send(C, "hello"),
    {ok, _} = gentcp:listen(0, ?OPTS),
    ct:capture_start(),
    ok = gentcp:i(),
    ct:capture_stop(),
    [Head | Lines] = string:lexemes(lists:append(ct:capture_get()), "\n"),
    ?assertEqual(["Port", "Module", "Recv", "Sent", "Owner", "Local", "Address", "Foreign",
                  "Address", "State", "Type"], string:lexemes(Head, " ")),
    ?assertEqual(3, length(Lines)),
    [?assertMatch([_, "gentcp", _, _, _, "localhost:" ++ _, _, _, "STREAM"],
                  string:lexemes(Line, " ")) || Line <- Lines],
    ?assertEqual(1, length([Line || Line <- Lines, string:find(Line, "LN:O") =/= nomatch])),
    ?assertEqual(2, length([Line || Line <- Lines, string:find(Line, "CONNECTED(O)") =/= nomatch])).

router_answers_sys(_Config) ->
    {C, S} = do_pair([], []),
    Router = do_router(),
    state = element(1, sys:get_state(Router)),
    ok = sys:suspend(Router),
    ok = sys:resume(Router),
    ok = gentcp:send(C, "hello"),
    {ok, <<"hello">>} = gentcp:recv(S, 5, 5000),
    %% Messages of strangers do no harm.
    Router ! hello,
    {ok, _} = gentcp:sockname(C).

%%
%% Other systems
%%

%% Where the port program cannot open the file of the node by a name, the node
%% reads it.
sendfile_where_descriptors_have_no_names(Config) ->
    {C, S} = do_pair([], []),
    {'$inet', gentcp, {_, Id, _}} = C,
    Contents = binary:copy(<<"0123456789">>, 100_000),
    File = filename:join(proplists:get_value(priv_dir, Config), "file"),
    ok = file:write_file(File, Contents),
    {ok, Fd} = file:open(File, [raw, read, binary]),
    Self = self(),
    Call = fun({sendfile, _Id, _Path, _Offset, _Length}) -> {error, enoent};
              ({sendfile_part, _Id, Part}) -> Self ! {part, Part}, gentcp:send(C, Part)
           end,
    [begin
         ?assertEqual({ok, Sent}, gentcp_sendfile:send(Call, Id, Fd, Offset, Length)),
         {ok, Got} = gentcp:recv(S, Sent, 10000),
         ?assertEqual(binary:part(Contents, Offset, Sent), Got)
     end || {Offset, Length, Sent} <- [{0, 0, 1_000_000}, {10, 20, 20}, {999_990, 20, 10},
                                       {5, 600_000, 600_000}]],
    ?assertEqual({ok, 0}, gentcp_sendfile:send(Call, Id, Fd, 1_000_000, 0)),
    %% In parts, so that no file is held in memory whole.
    ?assert(lists:all(fun({part, Part}) -> byte_size(Part) =< 256 * 1024 end, flush())),
    Refused = fun({sendfile, _, _, _, _}) -> {error, enoent}; (_) -> {error, closed} end,
    ?assertEqual({error, closed}, gentcp_sendfile:send(Refused, Id, Fd, 0, 0)),
    ok = file:close(Fd).

%%
%% Helpers
%%

%% As in a node where it has not been started yet.
do_stop() ->
    case application:stop(gentcp) of
        ok -> ok;
        {error, {not_started, gentcp}} -> ok
    end,
    _ = persistent_term:erase({gentcp_app, stopped}),
    ok.

do_is_running() ->
    lists:keymember(gentcp, 1, application:which_applications()).

do_port({'$inet', gentcp, {Port, _, _}}) ->
    Port.

do_pair(ConnectOpts, ListenOpts) ->
    {ok, L} = gentcp:listen(0, ListenOpts ++ ?OPTS),
    {ok, Port} = gentcp:port(L),
    Opts = [{active, false} || not lists:keymember(active, 1, ConnectOpts)],
    {ok, C} = gentcp:connect(?LOOPBACK, Port, [binary | Opts ++ ConnectOpts], 5000),
    {ok, S} = gentcp:accept(L, 5000),
    ok = gentcp:close(L),
    {C, S}.

%% A frame as printf(1) of any shell can write it.
do_printf(Frame) ->
    lists:append([io_lib:format("\\~3.8.0b", [Octet])
                  || <<Octet>> <= <<(byte_size(Frame)):32, Frame/binary>>]).

do_kill_port_program() ->
    #{os_pid := OsPid} = gentcp:port_info(),
    os_process:signal("KILL", OsPid).

do_waits(Pid) ->
    erlang:process_info(Pid, status) =:= {status, waiting}.

do_is_suspended(Pid) ->
    erlang:process_info(Pid, status) =:= {status, suspended}.

%% Runs in another node: sockets in every state, held by a process that stays.
do_open_and_tell() ->
    Self = self(),
    spawn(fun() ->
        {C, S} = do_pair([{active, true}], []),
        {ok, L} = gentcp:listen(0, ?OPTS),
        spawn_link(fun() -> gentcp:accept(L) end),
        spawn_link(fun() -> gentcp:recv(S, 0) end),
        ok = gentcp:send(C, binary:copy(<<"x">>, 10_000_000)),
        Self ! {os_pid, maps:get(os_pid, gentcp:port_info())},
        receive never -> ok end
    end),
    receive {os_pid, OsPid} -> OsPid end.

do_accept_all(L) ->
    case gentcp:accept(L, 500) of
        {ok, S} -> [S | do_accept_all(L)];
        {error, timeout} -> []
    end.

do_peer_has_closed(S) ->
    gentcp:recv(S, 0, 0) =:= {error, closed}.

do_killed_while_waiting(Call) ->
    {Pid, Ref} = spawn_monitor(Call),
    eventually(fun() -> do_waits(Pid) end),
    exit(Pid, kill),
    receive {'DOWN', Ref, process, Pid, killed} -> ok end.

%% Does what has a recv answered, and waits until the router has the answer.
do_answered(Send) ->
    Router = do_router(),
    1 = erlang:trace(Router, true, ['receive']),
    Send(),
    do_answer_seen(Router),
    1 = erlang:trace(Router, false, ['receive']),
    _ = flush(),
    ok.

do_answer_seen(Router) ->
    receive
        {trace, Router, 'receive', {_Port, {data, Frame}}} ->
            case [Data || {reply, _, {ok, Data}} <- gentcp_proto:decode(Frame), is_binary(Data)] of
                [] -> do_answer_seen(Router);
                [_] -> ok
            end
    end.

do_router() ->
    [Router] = gentcp_sup:routers(),
    Router.

do_spin(0) -> ok;
do_spin(N) -> do_spin(N - 1).

do_collect(S, Total) ->
    do_collect(S, Total, []).

do_collect(_S, Total, [Total | _] = Acc) ->
    lists:reverse(Acc);
do_collect(S, Total, Acc) ->
    receive {tcp, S, Data} -> do_collect(S, Total, [binary_to_integer(Data) | Acc]) end.

%% Through N owners to the last one.
do_pass_on(S, 0, Last) ->
    ok = gentcp:controlling_process(S, Last);
do_pass_on(S, N, Last) ->
    Next = spawn_link(fun() -> receive go -> do_pass_on(S, N - 1, Last) end end),
    ok = gentcp:controlling_process(S, Next),
    Next ! go.

%% SHA-1, the default here, is refused by ssl since OTP 27.
do_certificates() ->
    Certificate = [{key, {namedCurve, secp256r1}}, {digest, sha256}],
    Chain = #{root => Certificate, intermediates => [], peer => Certificate},
    public_key:pkix_test_data(#{server_chain => Chain, client_chain => Chain}).

do_ssl_echo(S) ->
    case ssl:recv(S, 0, 10000) of
        {ok, Data} -> ok = ssl:send(S, Data), do_ssl_echo(S);
        {error, closed} -> ok
    end.

%% The expressions in the code of the section `A session'.
do_session(File) ->
    {ok, Text} = file:read_file(File),
    [_, Section] = string:split(Text, "A session\n"),
    [_, Rest] = string:split(Section, "```erlang\n"),
    [Code, _] = string:split(Rest, "```\n"),
    {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Code)),
    lists:append([begin {ok, Exprs} = erl_parse:parse_exprs(Form), Exprs end
                  || Form <- do_forms(Tokens)]).

do_forms([]) ->
    [];
do_forms(Tokens) ->
    {Form, [Dot | Rest]} = lists:splitwith(fun(T) -> element(1, T) =/= dot end, Tokens),
    [Form ++ [Dot] | do_forms(Rest)].

do_priv() ->
    case code:priv_dir(gentcp) of
        {error, bad_name} ->
            filename:join(filename:dirname(filename:dirname(code:which(gentcp))), "priv");
        Priv ->
            Priv
    end.
