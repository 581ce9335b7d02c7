%% One-way streams on one connection: pipelined sends, and receiving messages.
-module(bench_stream).

-export([send/1, send_many/1, recv/1]).

%% Sends `size' bytes a call without waiting for anything but gen_tcp:send/2.
%% The time ends when the peer has confirmed every byte.
-spec send(map()) -> #{per_second := float(), mb_per_second := float()}.
send(#{size := Size} = Args) ->
    S = open_sink(Args),
    Start = bench_clock:read(),
    Sent = send_all(S, Args),
    rates(Sent, Size, bench_clock:read() - Start).

%% The same from several processes at once, each with a connection of its own.
-spec send_many(map()) -> #{per_second := float(), mb_per_second := float()}.
send_many(#{size := Size, connections := Connections} = Args) ->
    Self = self(),
    Senders = [spawn_link(fun() -> sender(Args, Self) end) || _ <- lists:seq(1, Connections)],
    [receive {Pid, ready} -> ok end || Pid <- Senders],
    Start = bench_clock:read(),
    [Pid ! go || Pid <- Senders],
    Sent = lists:sum([receive {Pid, sent, N} -> N end || Pid <- Senders]),
    rates(Sent, Size, bench_clock:read() - Start).

sender(Args, Parent) ->
    S = open_sink(Args),
    Parent ! {self(), ready},
    receive go -> ok end,
    Parent ! {self(), sent, send_all(S, Args)}.

open_sink(#{nodelay := NoDelay} = Args) ->
    bench_peer:open(Args, "sink", [binary, {active, false}, {nodelay, NoDelay}]).

send_all(S, #{size := Size} = Args) ->
    Message = bench_peer:payload(Size),
    Sent = bench_clock:repeat(Args, fun() -> ok = gen_tcp:send(S, Message) end),
    Total = Sent * Size,
    ok = gen_tcp:shutdown(S, write),
    {ok, <<Total:64>>} = gen_tcp:recv(S, 8),
    ok = gen_tcp:close(S),
    Sent.

rates(Count, Size, Elapsed) ->
    #{per_second => bench_clock:per_second(Count, Elapsed),
      mb_per_second => bench_clock:per_second(Count * Size / 1.0e6, Elapsed)}.

%% Receives messages as the peer sends them as fast as it can, for a time or a
%% number of messages: `kind' is `packet4', or `http' where a message is a
%% request with all its headers.
-spec recv(map()) -> #{per_second := float()}.
recv(#{kind := Kind, mode := Mode, size := Size} = Args) ->
    Request = io_lib:format("source ~s ~b ~s", [Kind, Size, limit(Args)]),
    S = bench_peer:open(Args, Request, [binary, {active, false}]),
    Start = bench_clock:read(),
    ok = inet:setopts(S, [{packet, packet(Kind)}, {active, Mode}]),
    Count = count(Kind, Mode, S, 0),
    Elapsed = bench_clock:read() - Start,
    check_count(Args, Count),
    #{per_second => bench_clock:per_second(Count, Elapsed)}.

limit(#{count := Count}) -> ["count ", integer_to_list(Count)];
limit(#{ms := Ms}) -> ["ms ", integer_to_list(Ms)].

packet(packet4) -> 4;
packet(http) -> http_bin.

count(packet4, false, S, N) ->
    case gen_tcp:recv(S, 0) of
        {ok, _} -> count(packet4, false, S, N + 1);
        {error, closed} -> N
    end;
count(packet4, Mode, S, N) ->
    receive
        {tcp, S, _} ->
            _ = rearm(Mode, S),
            count(packet4, Mode, S, N + 1);
        {tcp_closed, S} -> N;
        {tcp_error, S, Reason} -> exit(Reason)
    end;
count(http, Mode, S, N) ->
    receive
        {http, S, Packet} ->
            _ = rearm(Mode, S),
            count(http, Mode, S, N + ended(Packet));
        {tcp_closed, S} -> N;
        {tcp_error, S, Reason} -> exit(Reason)
    end.

ended(http_eoh) -> 1;
ended({http_error, Line}) -> exit({http_error, Line});
ended(_) -> 0.

%% At the end of the stream, re-arming may find the socket closed.
rearm(true, _S) -> ok;
rearm(once, S) -> inet:setopts(S, [{active, once}]).

check_count(#{count := Count}, Count) -> ok;
check_count(#{count := Count}, Other) -> exit({want, Count, got, Other});
check_count(_, Count) when Count > 0 -> ok.
