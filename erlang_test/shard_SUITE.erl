%% @doc The life of a shard: how a port program starts, is watched, and stops, and what those who
%% ask for one get meanwhile.
%%
%% These cases have no counterpart on the stock driver.
-module(shard_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, init_per_testcase/2, end_per_testcase/2]).
-export([log/2, do_fill_pipe/0, do_hold_listener/0]).

-export([
    connect_keeps_its_deadline_while_a_program_says_nothing/1,
    silent_program_is_killed/1,
    silent_program_does_not_survive_a_stop/1,
    router_is_killed_while_it_waits_for_a_hello/1,
    stopped_program_does_not_survive_a_stop/1,
    stopped_program_does_not_keep_a_node_up/1,
    stop_ends_a_program_that_works/1,
    stop_is_not_undone_by_a_connect/1,
    program_that_dies_again_and_again_stops_nothing/1,
    lost_shard_leaves_no_second_program/1,
    lost_heartbeat_is_started_again/1,
    log_says_how_a_program_ended/1,
    what_a_program_said_last_is_delivered/1,
    router_can_be_debugged/1
]).

-import(tcp_pairs, [eventually/1, flush/0]).

-define(LOOPBACK, {127, 0, 0, 1}).
-define(OPTS, [binary, {active, false}, {ip, ?LOOPBACK}]).

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    [
        connect_keeps_its_deadline_while_a_program_says_nothing,
        silent_program_is_killed,
        silent_program_does_not_survive_a_stop,
        router_is_killed_while_it_waits_for_a_hello,
        stopped_program_does_not_survive_a_stop,
        stopped_program_does_not_keep_a_node_up,
        stop_ends_a_program_that_works,
        stop_is_not_undone_by_a_connect,
        program_that_dies_again_and_again_stops_nothing,
        lost_shard_leaves_no_second_program,
        lost_heartbeat_is_started_again,
        log_says_how_a_program_ended,
        what_a_program_said_last_is_delivered,
        router_can_be_debugged
    ].

init_per_testcase(_Case, Config) ->
    _ = application:load(gentcp),
    _ = application:stop(gentcp),
    _ = persistent_term:erase({gentcp_app, stopped}),
    Config.

end_per_testcase(_Case, _Config) ->
    _ = application:stop(gentcp),
    _ = persistent_term:erase({gentcp_app, stopped}),
    _ = logger:remove_handler(?MODULE),
    [ok = application:unset_env(gentcp, Key) || Key <- [port_program, port_args, heartbeat]],
    ok.

%%
%% Starting
%%

%% Three at once: none waits for the other, nor for the program.
connect_keeps_its_deadline_while_a_program_says_nothing(Config) ->
    _ = do_silent_program(Config),
    Connect = fun() -> timer:tc(fun() -> gentcp:connect(?LOOPBACK, 1, [], 500) end) end,
    Callers = [spawn_monitor(fun() -> exit(Connect()) end) || _ <- [1, 2, 3]],
    [receive
         {'DOWN', Ref, process, Pid, {Time, Result}} ->
             ?assertEqual({error, timeout}, Result),
             ?assert(Time >= 500_000),
             ?assert(Time < 5_000_000)
     end || {Pid, Ref} <- Callers],
    ?assertEqual({error, timeout}, gentcp:connect(?LOOPBACK, 1, [], 0)).

%% Who does not say until when waits for as long as a program may take; then it has no excuse.
silent_program_is_killed(Config) ->
    PidFile = do_silent_program(Config),
    Callers = [spawn_monitor(fun() -> exit(gentcp:listen(0, ?OPTS)) end) || _ <- [1, 2, 3]],
    OsPid = do_pid(PidFile),
    [receive {'DOWN', Ref, process, Pid, Result} -> ?assertEqual({error, etimedout}, Result) end
     || {Pid, Ref} <- Callers],
    eventually(fun() -> not os_process:lives(OsPid) end),
    ok = application:unset_env(gentcp, port_program),
    ok = application:unset_env(gentcp, port_args),
    {ok, _} = gentcp:listen(0, ?OPTS).

silent_program_does_not_survive_a_stop(Config) ->
    PidFile = do_silent_program(Config),
    {error, timeout} = gentcp:connect(?LOOPBACK, 1, [], 10),
    OsPid = do_pid(PidFile),
    true = os_process:lives(OsPid),
    ok = application:stop(gentcp),
    false = os_process:lives(OsPid).

router_is_killed_while_it_waits_for_a_hello(Config) ->
    PidFile = do_silent_program(Config),
    {Caller, Ref} = spawn_monitor(fun() -> exit(gentcp:listen(0, ?OPTS)) end),
    OsPid = do_pid(PidFile),
    {links, Links} = process_info(whereis(gentcp_shard_1), links),
    [Router] = [Pid || Pid <- Links, is_pid(Pid), Pid =/= whereis(gentcp_sup)],
    exit(Router, kill),
    receive {'DOWN', Ref, process, Caller, Result} -> ?assertEqual({error, closed}, Result) end,
    eventually(fun() -> not os_process:lives(OsPid) end).

%%
%% Stopping
%%

%% One that reads nothing, with data in its pipe, cannot be told that it is to end.
stopped_program_does_not_survive_a_stop(_Config) ->
    Keeper = spawn(?MODULE, do_hold_listener, []),
    Keeper ! {self(), port},
    Port = receive {port, P} -> P end,
    #{os_pid := OsPid} = gentcp:port_info(),
    ok = os_process:signal("STOP", OsPid),
    ok = do_fill_pipe(),
    ok = application:stop(gentcp),
    false = os_process:lives(OsPid),
    %% Nothing of it is left: the address is free.
    ok = application:start(gentcp),
    {ok, L} = gentcp:listen(Port, ?OPTS),
    ?assertEqual([L], gentcp:which_sockets()),
    exit(Keeper, kill).

stopped_program_does_not_keep_a_node_up(_Config) ->
    {ok, Peer, _} = peer_node:start(),
    NodePid = list_to_integer(peer:call(Peer, os, getpid, [])),
    _ = peer:call(Peer, erlang, spawn, [?MODULE, do_hold_listener, []]),
    eventually(fun() -> peer:call(Peer, gentcp, which_sockets, []) =/= [] end),
    #{os_pid := OsPid} = peer:call(Peer, gentcp, port_info, []),
    ok = os_process:signal("STOP", OsPid),
    ok = peer:call(Peer, ?MODULE, do_fill_pipe, [], 30_000),
    ok = peer:cast(Peer, init, stop, []),
    do_await(fun() -> not os_process:lives(NodePid) andalso not os_process:lives(OsPid) end, 30_000).

stop_ends_a_program_that_works(_Config) ->
    {ok, L} = gentcp:listen(0, ?OPTS),
    {ok, Port} = gentcp:port(L),
    #{os_pid := OsPid} = gentcp:port_info(),
    ok = application:stop(gentcp),
    eventually(fun() -> not os_process:lives(OsPid) end),
    ok = application:start(gentcp),
    {ok, _} = gentcp:listen(Port, ?OPTS).

%% What somebody has stopped stays so until somebody starts it.
stop_is_not_undone_by_a_connect(_Config) ->
    {ok, L} = gentcp:listen(0, ?OPTS),
    {ok, Port} = gentcp:port(L),
    ok = application:stop(gentcp),
    ?assertEqual({error, closed}, gentcp:connect(?LOOPBACK, Port, [])),
    ?assertEqual({error, closed}, gentcp:listen(0, ?OPTS)),
    false = lists:keymember(gentcp, 1, application:which_applications()),
    ok = application:start(gentcp),
    {ok, _} = gentcp:listen(0, ?OPTS).

%%
%% Dying
%%

program_that_dies_again_and_again_stops_nothing(_Config) ->
    {ok, _} = application:ensure_all_started(gentcp),
    Supervisor = whereis(gentcp_sup),
    [begin
         {ok, L} = gentcp:listen(0, ?OPTS),
         Ref = gentcp:monitor(L),
         #{os_pid := OsPid} = gentcp:port_info(),
         ok = os_process:signal("KILL", OsPid),
         receive {'DOWN', Ref, port, L, econnaborted} -> ok end
     end || _ <- lists:seq(1, 110)],
    ?assertEqual(Supervisor, whereis(gentcp_sup)),
    {ok, _} = gentcp:listen(0, ?OPTS).

lost_shard_leaves_no_second_program(_Config) ->
    {ok, C} = do_active(),
    #{os_pid := OsPid} = gentcp:port_info(),
    exit(whereis(gentcp_shard_1), kill),
    receive {tcp_error, C, econnaborted} -> ok end,
    receive {tcp_closed, C} -> ok end,
    eventually(fun() -> not os_process:lives(OsPid) end),
    {ok, _} = gentcp:listen(0, ?OPTS),
    [#{os_pid := _}] = gentcp:port_info(all).

lost_heartbeat_is_started_again(_Config) ->
    ok = application:set_env(gentcp, heartbeat, 100),
    {ok, _} = gentcp:listen(0, ?OPTS),
    Lost = do_heartbeat(),
    exit(Lost, kill),
    eventually(fun() -> not lists:member(do_heartbeat(), [Lost, none]) end),
    %% And it does its work.
    #{os_pid := OsPid} = gentcp:port_info(),
    ok = os_process:signal("STOP", OsPid),
    eventually(fun() -> not os_process:lives(OsPid) end).

log_says_how_a_program_ended(_Config) ->
    ok = logger:add_handler(?MODULE, ?MODULE, #{config => self()}),
    {ok, _} = gentcp:listen(0, ?OPTS),
    #{os_pid := OsPid} = gentcp:port_info(),
    ok = os_process:signal("KILL", OsPid),
    ok = do_logged("port program " ++ integer_to_list(OsPid) ++ " was killed by signal 9"),
    eventually(fun() -> sys:get_state(gentcp_shard_1, 1000) =/= starting end),
    ok = application:set_env(gentcp, port_args, ["-nosuchflag"]),
    ok = application:stop(gentcp),
    ok = application:start(gentcp),
    ?assertEqual({error, eproto}, gentcp:listen(0, ?OPTS)),
    ok = do_logged("exited with 2 at once").

%% Megabytes before its end, of which nothing is lost.
what_a_program_said_last_is_delivered(Config) ->
    Packet = binary:copy(<<"0123456789">>, 10_000),
    Frame = fun(Messages) ->
        Term = term_to_binary(Messages),
        <<(byte_size(Term)):32, Term/binary>>
    end,
    Head = Frame([{hello, 1, #{os_pid => 1}}]),
    Reply = Frame([{reply, 1, {ok, 1}}]),
    Tail = lists:duplicate(100, Frame([{tcp, 1, Packet}])),
    [HeadFile, TailFile] = [filename:join(proplists:get_value(priv_dir, Config), Name)
                            || Name <- ["head", "tail"]],
    ok = file:write_file(HeadFile, Head),
    ok = file:write_file(TailFile, [Reply, Tail]),
    %% It answers when it has been asked.
    Asked = iolist_size([gentcp_proto:hello(1 bsl 23)]) + 4 + 4 + 1,
    Script = lists:concat(["cat ", HeadFile, "; head -c ", Asked, " > /dev/null; cat ", TailFile,
                           "; exit 7"]),
    ok = application:set_env(gentcp, port_program, "/bin/sh"),
    ok = application:set_env(gentcp, port_args, ["-c", Script]),
    ok = logger:add_handler(?MODULE, ?MODULE, #{config => self()}),
    {ok, C} = gentcp:connect(?LOOPBACK, 1, [binary, {active, true}]),
    receive {tcp_closed, C} -> ok end,
    [receive {tcp, C, Packet} -> ok after 0 -> error({lost, N}) end || N <- lists:seq(1, 100)],
    ok = do_logged("exited with 7"),
    ?assertEqual([{tcp_error, C, econnaborted}], flush()).

%%
%% Looking at it
%%

router_can_be_debugged(_Config) ->
    {ok, L} = gentcp:listen(0, ?OPTS),
    [Router] = gentcp_sup:routers(),
    ok = sys:log(Router, true),
    {ok, _} = gentcp:sockname(L),
    {ok, Events} = sys:log(Router, get),
    ?assertMatch([_ | _], [E || {in, {_, {data, _}}} = E <- Events]),
    ok = sys:no_debug(Router),
    {status, Router, {module, gentcp_port}, _} = sys:get_status(Router),
    {ok, _} = gentcp:sockname(L).

%%
%% Helpers
%%

%% A port program that says nothing, ignores the end of its stdin, and leaves its process id in a file.
do_silent_program(Config) ->
    PidFile = filename:join(proplists:get_value(priv_dir, Config),
                            "pid" ++ integer_to_list(erlang:unique_integer([positive]))),
    ok = application:set_env(gentcp, port_program, "/bin/sh"),
    ok = application:set_env(gentcp, port_args, ["-c", "echo $$ > " ++ PidFile ++ "; exec sleep 1000"]),
    PidFile.

do_pid(PidFile) ->
    eventually(fun() -> filelib:file_size(PidFile) > 0 end),
    {ok, Text} = file:read_file(PidFile),
    binary_to_integer(string:trim(Text)).

do_active() ->
    {ok, L} = gentcp:listen(0, ?OPTS),
    {ok, Port} = gentcp:port(L),
    {ok, C} = gentcp:connect(?LOOPBACK, Port, [binary, {active, true}], 5000),
    {ok, C}.

do_hold_listener() ->
    {ok, L} = gentcp:listen(0, ?OPTS),
    {ok, Port} = gentcp:port(L),
    receive {From, port} -> From ! {port, Port} end,
    receive never -> ok end.

%% Calls of processes that wait, until the pipe takes no more and the rest is in the port.
do_fill_pipe() ->
    [{'$inet', gentcp, {Port, _, _}} = S | _] = gentcp:which_sockets(),
    Options = [{raw, 1, 9, binary:copy(<<"x">>, 50_000)}],
    _ = [spawn(fun() -> gentcp:getopts(S, Options) end) || _ <- lists:seq(1, 60)],
    do_await(fun() ->
        {queue_size, Octets} = erlang:port_info(Port, queue_size),
        Octets > 100_000
    end, 10_000).

do_heartbeat() ->
    {links, Links} = process_info(whereis(gentcp_shard_1), links),
    case [Pid || Pid <- Links, is_pid(Pid),
                 {current_function, {timer, sleep, 1}} <- [process_info(Pid, current_function)]] of
        [Pid] -> Pid;
        [] -> none
    end.

do_await(_Condition, Left) when Left =< 0 ->
    error(never_became_true);
do_await(Condition, Left) ->
    case Condition() of
        true -> ok;
        false -> timer:sleep(20), do_await(Condition, Left - 20)
    end.

%% A handler of logger.
log(#{msg := {Format, Args}}, #{config := Pid}) when is_list(Format) ->
    Pid ! {logged, lists:flatten(io_lib:format(Format, Args))};
log(_Event, _Config) ->
    ok.

do_logged(Text) ->
    receive
        {logged, Line} ->
            case string:find(Line, Text) of
                nomatch -> do_logged(Text);
                _ -> ok
            end
    after 10_000 ->
        error({not_logged, Text})
    end.
