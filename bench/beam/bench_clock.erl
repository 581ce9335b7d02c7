%% Doing something for a time or a number of times, and rates.
-module(bench_clock).

-export([read/0, repeat/2, per_second/2, microseconds/2]).

-type nanoseconds() :: integer().

-spec read() -> nanoseconds().
read() ->
    erlang:monotonic_time(nanosecond).

%% Calls Do until the limit in Args is reached, `count' calls or `ms'
%% milliseconds, and returns the number of calls.
-spec repeat(map(), fun(() -> term())) -> pos_integer().
repeat(#{count := Count}, Do) ->
    times(Count, Do),
    Count;
repeat(#{ms := Ms}, Do) ->
    until(read() + Ms * 1000000, 0, Do).

%% The clock is read once in 16 calls, so that it costs next to nothing.
until(End, Done, Do) ->
    times(16, Do),
    case read() >= End of
        true -> Done + 16;
        false -> until(End, Done + 16, Do)
    end.

times(0, _Do) -> ok;
times(N, Do) -> Do(), times(N - 1, Do).

-spec per_second(number(), nanoseconds()) -> float().
per_second(Amount, Elapsed) ->
    Amount * 1.0e9 / Elapsed.

%% The time of one of N.
-spec microseconds(nanoseconds(), pos_integer()) -> float().
microseconds(Elapsed, N) ->
    Elapsed / N / 1000.
