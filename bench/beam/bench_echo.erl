%% Echo on one connection that the BEAM opens: send, then receive the same
%% bytes, one message under way at a time.
-module(bench_echo).

-export([round_trip/1, latency/1]).

-spec round_trip(map()) -> #{us := float()}.
round_trip(Args) ->
    Trip = open(Args),
    Start = bench_clock:read(),
    Trips = bench_clock:repeat(Args, Trip),
    #{us => bench_clock:microseconds(bench_clock:read() - Start, Trips)}.

%% The distribution of the round trip time, alone or with a neighbour: another
%% connection, owned by another process, that moves bulk data all the time.
-spec latency(map()) -> #{p50 := float(), p99 := float(), p999 := float()}.
latency(#{ms := Ms, neighbour := Neighbour} = Args) ->
    Trip = open(Args),
    Stop = start_neighbour(Neighbour, Args),
    Sorted = lists:sort(samples(Trip, bench_clock:read() + Ms * 1000000, [])),
    Stop(),
    Times = list_to_tuple(Sorted),
    #{p50 => percentile(Times, 0.5), p99 => percentile(Times, 0.99),
      p999 => percentile(Times, 0.999)}.

%% An open connection, warmed up, as a function that makes one round trip.
open(#{size := Size, mode := Mode} = Args) ->
    S = bench_peer:open(Args, "echo", [binary, {active, Mode}, {nodelay, true}]),
    Message = bench_peer:payload(Size),
    Trip = trip(Mode, S, Message, Size),
    bench_clock:repeat(#{count => 100}, Trip),
    Trip.

trip(false, S, Message, Size) ->
    fun() ->
            ok = gen_tcp:send(S, Message),
            {ok, _} = gen_tcp:recv(S, Size),
            ok
    end;
trip(Mode, S, Message, Size) ->
    fun() ->
            ok = gen_tcp:send(S, Message),
            collect(Mode, S, Size)
    end.

collect(_Mode, _S, 0) ->
    ok;
collect(Mode, S, Left) ->
    receive
        {tcp, S, Data} ->
            rearm(Mode, S),
            collect(Mode, S, Left - byte_size(Data));
        {tcp_closed, S} ->
            exit(closed);
        {tcp_error, S, Reason} ->
            exit(Reason)
    end.

rearm(once, S) -> ok = inet:setopts(S, [{active, once}]);
rearm(true, _S) -> ok.

samples(Trip, End, Times) ->
    Start = bench_clock:read(),
    Trip(),
    Now = bench_clock:read(),
    case Now >= End of
        true -> [Now - Start | Times];
        false -> samples(Trip, End, [Now - Start | Times])
    end.

percentile(Times, Fraction) ->
    element(max(1, ceil(tuple_size(Times) * Fraction)), Times) / 1000.

start_neighbour(none, _Args) ->
    fun() -> ok end;
start_neighbour(Direction, Args) ->
    Self = self(),
    Pid = spawn_link(fun() -> neighbour(Direction, Args, Self) end),
    receive {Pid, running} -> ok end,
    fun() ->
            Monitor = monitor(process, Pid),
            unlink(Pid),
            exit(Pid, kill),
            receive {'DOWN', Monitor, process, Pid, _} -> ok end
    end.

-define(BULK, 262144).

neighbour(send, Args, Parent) ->
    S = bench_peer:open(Args, "sink", [binary, {active, false}]),
    Data = bench_peer:payload(?BULK),
    transfer(fun() -> ok = gen_tcp:send(S, Data) end, Parent);
neighbour(recv, Args, Parent) ->
    S = bench_peer:open(Args, ["source raw ", integer_to_list(?BULK), " ms 60000"],
                        [binary, {active, false}]),
    transfer(fun() -> {ok, _} = gen_tcp:recv(S, ?BULK), ok end, Parent).

%% Runs until it is killed. The parent starts to measure once data flows.
-spec transfer(fun(() -> ok), pid()) -> no_return().
transfer(Do, Parent) ->
    bench_clock:repeat(#{count => 50}, Do),
    Parent ! {self(), running},
    (fun Forever() -> Do(), Forever() end)().
