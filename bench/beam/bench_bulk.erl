%% Bulk data on one connection. Bulk sends are bench_stream:send/1 with a large
%% size.
-module(bench_bulk).

-export([recv/1, sendfile/1]).

%% Passive receive of `size' bytes a call.
-spec recv(map()) -> #{mb_per_second := float()}.
recv(#{size := Size, ms := Ms} = Args) ->
    Request = io_lib:format("source raw ~b ms ~b", [Size, Ms]),
    S = bench_peer:open(Args, Request, [binary, {active, false}]),
    Start = bench_clock:read(),
    Calls = recv_all(S, Size, 0),
    Elapsed = bench_clock:read() - Start,
    #{mb_per_second => bench_clock:per_second(Calls * Size / 1.0e6, Elapsed)}.

recv_all(S, Size, Calls) ->
    case gen_tcp:recv(S, Size) of
        {ok, _} -> recv_all(S, Size, Calls + 1);
        {error, closed} when Calls > 0 -> Calls
    end.

%% file:sendfile/2 of a file that is in the page cache, up to the peer's
%% confirmation.
-spec sendfile(map()) -> #{mb_per_second := float()}.
sendfile(#{file := File} = Args) ->
    S = bench_peer:open(Args, "sink", [binary, {active, false}]),
    Start = bench_clock:read(),
    {ok, Sent} = file:sendfile(File, S),
    ok = gen_tcp:shutdown(S, write),
    {ok, <<Sent:64>>} = gen_tcp:recv(S, 8),
    Elapsed = bench_clock:read() - Start,
    Sent = filelib:file_size(File),
    #{mb_per_second => bench_clock:per_second(Sent / 1.0e6, Elapsed)}.
