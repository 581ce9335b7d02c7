%% Short-lived connections that the BEAM opens.
-module(bench_connect).

-export([rate/1, first/1]).

%% Connect, one exchange of `size' bytes, close; one connection at a time.
-spec rate(map()) -> #{per_second := float()}.
rate(#{size := Size} = Args) ->
    %% The peer sends its request line back.
    Request = ["exchange ", bench_peer:payload(Size - length("exchange \n"))],
    Exchange = fun() ->
                       S = bench_peer:open(Args, Request, [binary, {active, false}]),
                       {ok, _} = gen_tcp:recv(S, Size),
                       ok = gen_tcp:close(S)
               end,
    bench_clock:repeat(#{count => 20}, Exchange),
    Start = bench_clock:read(),
    Count = bench_clock:repeat(Args, Exchange),
    #{per_second => bench_clock:per_second(Count, bench_clock:read() - Start)}.

%% The time of a node's first connection: for gentcp it holds the start of the
%% application and of the port program, for all of them the loading of code.
%% Only meaningful on a fresh node.
-spec first(map()) -> #{ms := float()}.
first(Args) ->
    Start = bench_clock:read(),
    S = bench_peer:open(Args, "echo", [binary, {active, false}]),
    Elapsed = bench_clock:read() - Start,
    ok = gen_tcp:close(S),
    #{ms => Elapsed / 1.0e6}.
