%% A call that has a time of its own returns when that is over, whatever the port program does: here it is
%% stopped, as by a debugger or a frozen container. Stock has no port program, so these
%% cases are of gentcp alone; what they expect is what stock does anyhow.
-module(timeouts_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([suite/0, all/0, init_per_suite/1, end_per_suite/1, init_per_testcase/2, end_per_testcase/2]).
-export([recv_times_out/1, recv_of_nothing_times_out/1, recv_loses_nothing/1,
         recv_loses_nothing_of_a_busy_pipe/1,
         recv_of_a_loan_needs_no_pipe/1, recv_again_after_a_busy_pipe/1, accept_times_out/1, accept_loses_nothing/1,
         connect_times_out/1, called_send_times_out/1, uncalled_send_times_out/1,
         large_send_times_out/1, send_timeout_by_setopts/1, send_timeout_is_inherited/1,
         waiting_sends_have_their_turn/1, close_returns/1, close_of_a_busy_pipe_returns/1,
         closed_all_the_same/1, router_lives_on/1, killed_pen/1, nothing_is_left/1]).

-import(tcp_pairs, [listen/0, pair/0, pair/2, eventually/1, at_rest/1, flush/0, is_gone/1]).

-define(LOOPBACK, {127, 0, 0, 1}).

%% Longer than any call here may take on a machine with other things to do, and shorter than what
%% ends a program that is stopped.
-define(SOON, 20_000).

suite() ->
    [{timetrap, {seconds, 90}}].

all() ->
    [recv_times_out, recv_of_nothing_times_out, recv_loses_nothing,
     recv_loses_nothing_of_a_busy_pipe, recv_of_a_loan_needs_no_pipe,
     recv_again_after_a_busy_pipe, accept_times_out, accept_loses_nothing,
     connect_times_out, called_send_times_out, uncalled_send_times_out,
     large_send_times_out, send_timeout_by_setopts, send_timeout_is_inherited,
     waiting_sends_have_their_turn, close_returns, close_of_a_busy_pipe_returns,
     closed_all_the_same, router_lives_on, killed_pen, nothing_is_left].

init_per_suite(Config) ->
    driver_groups:init(gentcp, Config).

end_per_suite(Config) ->
    driver_groups:done(gentcp, Config).

init_per_testcase(_Case, Config) ->
    Config.

end_per_testcase(_Case, _Config) ->
    signal("CONT"),
    {ok, pong} = do_ping(),
    ok.

%%
%% recv
%%

recv_times_out(_Config) ->
    {_C, S} = pair(),
    stop(),
    {error, timeout} = soon(fun() -> gen_tcp:recv(S, 0, 300) end),
    {error, timeout} = soon(fun() -> gen_tcp:recv(S, 10, 300) end).

recv_of_nothing_times_out(_Config) ->
    {_C, S} = pair(),
    stop(),
    {error, timeout} = soon(fun() -> gen_tcp:recv(S, 0, 0) end).

%% What arrived meanwhile is given to the next who asks, in order.
recv_loses_nothing(_Config) ->
    {C, S} = pair([{packet, 2}], [{packet, 2}]),
    [ok = gen_tcp:send(C, <<N>>) || N <- [1, 2, 3]],
    stop(),
    [{error, timeout} = soon(fun() -> gen_tcp:recv(S, 0, 50) end) || _ <- [1, 2, 3, 4]],
    continue(),
    [{ok, <<1>>}, {ok, <<2>>}, {ok, <<3>>}, {error, timeout}] =
        [gen_tcp:recv(S, 0, 300) || _ <- [1, 2, 3, 4]],
    [] = flush().

%% The same where the call cannot even be written.
recv_loses_nothing_of_a_busy_pipe(_Config) ->
    {C, S} = pair([{packet, 2}], [{packet, 2}]),
    [ok = gen_tcp:send(C, <<N>>) || N <- [1, 2, 3]],
    stop(),
    Fillers = fill_pipe(),
    [{error, timeout} = soon(fun() -> gen_tcp:recv(S, 0, 50) end) || _ <- [1, 2, 3, 4]],
    continue(),
    [{ok, <<1>>}, {ok, <<2>>}, {ok, <<3>>}, {error, timeout}] =
        [gen_tcp:recv(S, 0, 2000) || _ <- [1, 2, 3, 4]],
    [] = flush(),
    kill(Fillers).

%% What has been sent ahead can be taken, and armed for, all the same.
recv_of_a_loan_needs_no_pipe(_Config) ->
    {C, S} = pair([{packet, 2}], [{packet, 2}]),
    [ok = gen_tcp:send(C, <<N>>) || N <- [1, 2, 3, 4]],
    tcp_pairs:arrived(S, 12),
    {ok, <<1>>} = gen_tcp:recv(S, 0, 1000),
    {'$inet', gentcp, {Port, _, Slot}} = S,
    {_, _, Loans} = gentcp_port:lookup(Port),
    eventually(fun() -> gentcp_ahead:is_open(Loans, Slot) end),
    stop(),
    fill_pipe(),
    {ok, <<2>>} = soon(fun() -> gen_tcp:recv(S, 0, 1000) end),
    ok = soon(fun() -> inet:setopts(S, [{active, once}]) end),
    receive {tcp, S, <<3>>} -> ok after 0 -> ct:fail(no_message) end,
    {ok, <<4>>} = soon(fun() -> gen_tcp:recv(S, 0, 1000) end),
    {error, timeout} = soon(fun() -> gen_tcp:recv(S, 0, 100) end),
    continue(),
    ok = gen_tcp:send(C, <<5>>),
    {ok, <<5>>} = gen_tcp:recv(S, 0, 1000).

%% A recv that was withdrawn is in the way of none that the same process calls later.
recv_again_after_a_busy_pipe(_Config) ->
    {C, S} = pair([{packet, 2}], [{packet, 2}]),
    stop(),
    {error, timeout} = soon(fun() -> gen_tcp:recv(S, 0, 20) end),
    Fillers = fill_pipe(),
    {error, timeout} = soon(fun() -> gen_tcp:recv(S, 0, 20) end),
    [unlink(Pid) || Pid <- Fillers],
    Self = self(),
    _ = spawn_link(fun() ->
        at_rest(Self),
        kill(Fillers),
        continue(),
        ok = gen_tcp:send(C, <<1>>)
    end),
    {ok, <<1>>} = gen_tcp:recv(S, 0, 10_000).

%%
%% accept and connect
%%

accept_times_out(_Config) ->
    {L, _Port} = listen(),
    stop(),
    {error, timeout} = soon(fun() -> gen_tcp:accept(L, 300) end),
    fill_pipe(),
    {error, timeout} = soon(fun() -> gen_tcp:accept(L, 300) end).

%% A connection that came meanwhile is for the next who accepts.
accept_loses_nothing(_Config) ->
    {L, Port} = listen(),
    stop(),
    Peer = tcp_pairs:peer_connect(Port),
    {error, timeout} = soon(fun() -> gen_tcp:accept(L, 100) end),
    continue(),
    {ok, S} = gen_tcp:accept(L, 5000),
    tcp_pairs:peer_send(Peer, "hello"),
    {ok, <<"hello">>} = gen_tcp:recv(S, 5, 5000),
    {error, timeout} = gen_tcp:accept(L, 0),
    [] = flush().

connect_times_out(_Config) ->
    Listener = tcp_pairs:peer_listen(),
    Before = gentcp:which_sockets(),
    stop(),
    Connect = fun() -> gen_tcp:connect(?LOOPBACK, tcp_pairs:peer_port(Listener), [], 300) end,
    {error, timeout} = soon(Connect),
    fill_pipe(),
    {error, timeout} = soon(Connect),
    continue(),
    %% What it connected in spite of that is closed.
    eventually(fun() -> {ok, pong} = do_ping(), gentcp:which_sockets() -- Before =:= [] end),
    [] = flush().

%%
%% send
%%

%% One that is called, since it is too large to be written without.
called_send_times_out(_Config) ->
    {C, _S} = pair([], [{send_timeout, 300}]),
    {ok, Credit, Slot, Id} = do_shared(C),
    %% Without credit.
    gentcp_credit:window(Credit, Slot, Id, 0),
    stop(),
    {error, timeout} = soon(fun() -> gen_tcp:send(C, "hello") end),
    [] = flush().

%% One that is not, when nobody reads the pipe any longer. What was sent before is whole, and nothing is sent
%% of what was not.
uncalled_send_times_out(_Config) ->
    {C, S} = pair([{packet, 4}], [{packet, 4}, {send_timeout, 300}, {sndbuf, 4 * 1024 * 1024}]),
    stop(),
    fill_pipe(),
    {error, timeout} = soon(fun() -> do_send_until_error(C, 1) end),
    {error, timeout} = soon(fun() -> gen_tcp:send(C, <<0:32>>) end),
    continue(),
    {ok, pong} = do_ping(),
    ok = gen_tcp:send(C, <<"last">>),
    Numbers = do_recv_until(S, <<"last">>),
    ?assertEqual(lists:seq(1, length(Numbers)), Numbers).

do_send_until_error(C, N) ->
    case gen_tcp:send(C, <<N:32>>) of
        ok -> do_send_until_error(C, N + 1);
        Error -> Error
    end.

do_recv_until(S, Last) ->
    case gen_tcp:recv(S, 0, 5000) of
        {ok, Last} -> [];
        {ok, <<N:32>>} -> [N | do_recv_until(S, Last)]
    end.

%% One that goes in parts, which has begun: it is whole all the same.
large_send_times_out(_Config) ->
    {C, S} = pair([{packet, 4}], [{packet, 4}, {send_timeout, 300}]),
    Data = binary:copy(<<"0123456789">>, 400_000),
    stop(),
    {error, timeout} = soon(fun() -> gen_tcp:send(C, Data) end),
    continue(),
    {ok, Data} = gen_tcp:recv(S, 0, 5000),
    ok = gen_tcp:send(C, "next"),
    {ok, <<"next">>} = gen_tcp:recv(S, 0, 5000),
    [] = flush().

send_timeout_by_setopts(_Config) ->
    {C, _S} = pair([], [{send_timeout, 60_000}]),
    ok = inet:setopts(C, [{send_timeout, 300}, {send_timeout, 20}, {nodelay, true}]),
    {ok, [{send_timeout, 300}]} = inet:getopts(C, [send_timeout]),
    do_called_send_times_out(C).

send_timeout_is_inherited(_Config) ->
    {_C, S} = pair([{send_timeout, 300}], []),
    do_called_send_times_out(S).

do_called_send_times_out(S) ->
    {ok, Credit, Slot, Id} = do_shared(S),
    gentcp_credit:window(Credit, Slot, Id, 0),
    stop(),
    {error, timeout} = soon(fun() -> gen_tcp:send(S, "hello") end).

%% A program that works decides by itself: the send_timeout of one who waits behind others begins when
%% they are through, as in stock, though that is beyond all grace.
waiting_sends_have_their_turn(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{send_timeout, 700}, {sndbuf, 4096}], #{rcvbuf => 4096}),
    ok = gen_tcp:send(S, binary:copy(<<0>>, 1_000_000)),
    Self = self(),
    Send = fun(N) ->
        Begin = erlang:monotonic_time(millisecond),
        Result = gen_tcp:send(S, binary:copy(<<1>>, 10_000)),
        Self ! {N, Result, erlang:monotonic_time(millisecond) - Begin}
    end,
    Pids = [spawn_link(fun() -> Send(N) end) || N <- [1, 2, 3]],
    Times = lists:sort([receive {N, {error, timeout}, Time} -> Time end || N <- [1, 2, 3]]),
    [First, _, Third] = Times,
    ?assert(First >= 700),
    ?assert(Third >= 3 * 700),
    3 = length(Pids),
    tcp_pairs:peer_close(Peer).

%%
%% close
%%

close_returns(_Config) ->
    {C, _S} = pair(),
    stop(),
    ok = soon(fun() -> gen_tcp:close(C) end).

close_of_a_busy_pipe_returns(_Config) ->
    {C, S} = pair(),
    stop(),
    fill_pipe(),
    ok = soon(fun() -> gen_tcp:close(C) end),
    continue(),
    {error, closed} = gen_tcp:recv(S, 0, 5000),
    eventually(fun() -> is_gone(C) end).

%% The close comes to the program when that goes on.
closed_all_the_same(_Config) ->
    {C, S} = pair(),
    stop(),
    ok = soon(fun() -> gen_tcp:close(C) end),
    continue(),
    {error, closed} = gen_tcp:recv(S, 0, 5000),
    eventually(fun() -> is_gone(C) end).

%%
%% The router
%%

%% It never waits for the pipe, so that it answers what it knows by itself.
router_lives_on(_Config) ->
    {C, _S} = pair(),
    {L, _Port} = listen(),
    stop(),
    fill_pipe(),
    %% These have the router write.
    [spawn(fun() -> gen_tcp:accept(L, 10) end) || _ <- lists:seq(1, 100)],
    Ref = soon(fun() -> inet:monitor(C) end),
    true = soon(fun() -> inet:cancel_monitor(Ref) end),
    true = is_list(soon(fun gentcp:which_sockets/0)).

%% The process that writes for the router while the pipe is full is replaced when it dies.
killed_pen(_Config) ->
    {C, S} = pair(),
    {L, _Port} = listen(),
    Pen = do_pen(C),
    exit(Pen, kill),
    eventually(fun() -> do_pen(C) =/= Pen end),
    stop(),
    Fillers = fill_pipe(),
    {error, timeout} = soon(fun() -> gen_tcp:accept(L, 10) end),
    {error, timeout} = soon(fun() -> gen_tcp:recv(S, 0, 10) end),
    kill(Fillers),
    continue(),
    ok = gen_tcp:send(C, "hello"),
    {ok, <<"hello">>} = gen_tcp:recv(S, 0, 5000),
    {error, timeout} = gen_tcp:accept(L, 10).

do_pen(S) ->
    Router = do_router(S),
    {links, Links} = process_info(Router, links),
    Pens = [Pid || Pid <- Links, is_pid(Pid),
                   {current_function, {gentcp_pen, loop, 3}} =:= process_info(Pid, current_function)],
    case Pens of
        [Pen] -> Pen;
        [] -> do_pen(S)
    end.

%% Nothing is kept of calls that were withdrawn.
nothing_is_left(_Config) ->
    {C, S} = pair(),
    {L, _Port} = listen(),
    Size = fun() -> erts_debug:flat_size(sys:get_state(do_router(C))) end,
    Before = Size(),
    stop(),
    Calls = [fun() -> gen_tcp:recv(S, 0, 20) end, fun() -> gen_tcp:accept(L, 20) end],
    Workers = [spawn_monitor(Call) || Call <- Calls, _ <- lists:seq(1, 50)],
    [receive {'DOWN', Monitor, process, Pid, _} -> ok end || {Pid, Monitor} <- Workers],
    continue(),
    {ok, pong} = do_ping(),
    eventually(fun() -> Size() =< Before + 100 end),
    {error, timeout} = gen_tcp:recv(S, 0, 20).

%%
%% Stopping
%%

stop() ->
    signal("STOP"),
    #{os_pid := OsPid} = gentcp:port_info(),
    eventually(fun() ->
        {ok, Stat} = file:read_file(["/proc/", integer_to_list(OsPid), "/stat"]),
        [_, <<State, _/binary>>] = string:split(Stat, ") ", trailing),
        State =:= $T
    end).

continue() ->
    signal("CONT").

signal(Name) ->
    #{os_pid := OsPid} = gentcp:port_info(),
    [] = os:cmd(lists:concat(["kill -", Name, " ", OsPid])),
    ok.

%% Writes commands that are of no consequence until the pipe takes no more.
fill_pipe() ->
    [Port] = [P || #{port := P} <- gentcp:port_info(all)],
    Ping = gentcp_proto:router_call(ping, ping),
    Fill = fun Fill() ->
        case port_command(Port, Ping, [nosuspend]) of
            true -> Fill();
            false -> ok
        end
    end,
    Fill(),
    %% They keep it full for as long as the test goes on.
    [spawn_link(fun Again() -> port_command(Port, Ping), Again() end) || _ <- [1, 2]].

kill(Pids) ->
    [begin unlink(Pid), exit(Pid, kill) end || Pid <- Pids].

%% In this process, so that it lives on afterwards. What hangs is ended by the timetrap.
soon(Call) ->
    Begin = erlang:monotonic_time(millisecond),
    Result = Call(),
    ?assert(erlang:monotonic_time(millisecond) - Begin < ?SOON),
    Result.

do_router({'$inet', gentcp, {Port, _, _}}) ->
    {Router, _, _} = gentcp_port:lookup(Port),
    Router.

do_shared({'$inet', gentcp, {Port, Id, Slot}}) ->
    {_, Credit, _} = gentcp_port:lookup(Port),
    {ok, Credit, Slot, Id}.

do_ping() ->
    [Port] = [P || #{port := P} <- gentcp:port_info(all)],
    {Router, _, _} = gentcp_port:lookup(Port),
    gentcp_call:call(Port, Router, ping, infinity).
