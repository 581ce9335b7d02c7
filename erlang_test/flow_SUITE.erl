%% @doc Output that the peer does not take: what is queued, which sender waits
%% and until when, what `send_timeout' does, and that a waiting sender is
%% released whatever becomes of the socket.
%%
%% The peer is a plain `socket' with a small receive buffer, and the sending
%% end has a small send buffer, so that a megabyte is far more than the kernel
%% takes and a queue stands still until the peer reads.
-module(flow_SUITE).

-export([all/0, groups/0, suite/0, init_per_group/2, end_per_group/2]).
-export([one_send_never_blocks/1, queued_output_arrives/1,
         send_below_high_watermark_returns/1, send_to_high_watermark_blocks/1,
         blocked_sender_continues_at_low_watermark/1, empty_send_blocks/1,
         empty_send_times_out/1, busy_is_a_state/1, other_senders_are_suspended/1,
         suspended_senders_continue/1, killed_sender_leaves_socket_usable/1,
         sends_are_not_interleaved/1, counters_count_queued_sends/1]).
-export([recv_while_sender_is_blocked/1, messages_while_sender_is_blocked/1,
         calls_while_sender_is_blocked/1, shutdown_while_senders_wait/1,
         bulk_both_ways/1, bulk_both_ways_active/1,
         passive_socket_holds_peer_back/1, once_holds_peer_back/1]).
-export([timed_out_send_is_still_sent/1, retry_after_timeout_duplicates/1,
         every_byte_of_timed_out_sends/1, timeout_does_not_fire_in_time/1,
         timeouts_run_one_after_another/1, zero_timeout_fails_at_once/1,
         zero_timeout_ignores_timeout_close/1, timeout_set_later_counts/1,
         timeout_is_inherited/1]).
-export([timeout_close_passive/1, timeout_close_armed/1, timeout_close_armed_keeps_the_socket/1,
         timeout_close_peer_sees_end/1, timeout_close_is_inherited/1]).
-export([delayed_send_arrives/1, delayed_send_before_close_arrives/1,
         delayed_send_fails_later/1]).
-export([blocked_sender_when_peer_resets/1,
         blocked_sender_when_peer_resets_shown/1,
         blocked_sender_when_peer_resets_armed/1,
         recv_after_reset_of_blocked_sender/1,
         end_of_stream_drops_queue/1, end_of_stream_drops_queue_armed/1,
         end_of_stream_releases_blocked_sender/1,
         end_of_stream_keeps_queue_without_exit_on_close/1,
         end_of_stream_releases_sender_without_exit_on_close/1,
         blocked_sender_when_another_closes/1, blocked_sender_when_owner_dies/1,
         suspended_sender_when_peer_resets/1]).

-define(MEGABYTE, 1_000_000).

-import(callers, [start/1, result/1, waits/1, kill/1]).

suite() ->
    [{timetrap, {seconds, 30}}].

all() ->
    driver_groups:all_with_shards().

groups() ->
    driver_groups:groups(cases()).

init_per_group(Group, Config) ->
    driver_groups:init(Group, Config).

end_per_group(Group, Config) ->
    driver_groups:done(Group, Config).

cases() ->
    [one_send_never_blocks, queued_output_arrives,
     send_below_high_watermark_returns, send_to_high_watermark_blocks,
     blocked_sender_continues_at_low_watermark, empty_send_blocks,
     empty_send_times_out, busy_is_a_state, other_senders_are_suspended,
     suspended_senders_continue, killed_sender_leaves_socket_usable,
     sends_are_not_interleaved, counters_count_queued_sends,

     recv_while_sender_is_blocked, messages_while_sender_is_blocked,
     calls_while_sender_is_blocked, shutdown_while_senders_wait,
     bulk_both_ways, bulk_both_ways_active, passive_socket_holds_peer_back,
     once_holds_peer_back,

     timed_out_send_is_still_sent, retry_after_timeout_duplicates,
     every_byte_of_timed_out_sends, timeout_does_not_fire_in_time,
     timeouts_run_one_after_another, zero_timeout_fails_at_once,
     zero_timeout_ignores_timeout_close, timeout_set_later_counts,
     timeout_is_inherited,

     timeout_close_passive, timeout_close_armed, timeout_close_armed_keeps_the_socket,
     timeout_close_peer_sees_end, timeout_close_is_inherited,

     delayed_send_arrives, delayed_send_before_close_arrives,
     delayed_send_fails_later,

     blocked_sender_when_peer_resets, blocked_sender_when_peer_resets_shown,
     blocked_sender_when_peer_resets_armed, recv_after_reset_of_blocked_sender,
     end_of_stream_drops_queue, end_of_stream_drops_queue_armed,
     end_of_stream_releases_blocked_sender,
     end_of_stream_keeps_queue_without_exit_on_close,
     end_of_stream_releases_sender_without_exit_on_close,
     blocked_sender_when_another_closes, blocked_sender_when_owner_dies,
     suspended_sender_when_peer_resets].

%%
%% The queue and the watermarks
%%

%% A send into an empty queue returns at once, however large it is;
%% send_pend shows what the kernel did not take.
one_send_never_blocks(_Config) ->
    stuck:with([], fun(S, _P) ->
        ok = gen_tcp:send(S, stuck:bytes(2 * ?MEGABYTE)),
        Pending = do_pending(S),
        true = Pending > ?MEGABYTE,
        true = Pending < 2 * ?MEGABYTE
    end).

%% What was queued arrives whole once the peer reads.
queued_output_arrives(_Config) ->
    stuck:with([], fun(S, P) ->
        Data = stuck:bytes(2 * ?MEGABYTE),
        ok = gen_tcp:send(S, Data),
        Data = do_read(P, byte_size(Data)),
        tcp_pairs:eventually(fun() -> do_pending(S) =:= 0 end),
        ok = gen_tcp:send(S, "more"),
        <<"more">> = do_read(P, 4)
    end).

%% Below the high watermark a send appends to the queue and returns.
send_below_high_watermark_returns(_Config) ->
    stuck:with([], fun(S, P) ->
        Filled = stuck:fill(S),
        Pending = stuck:settled(S),
        ok = inet:setopts(S, [{high_watermark, Pending + 1000}]),
        [ok = gen_tcp:send(S, "0123456789") || _ <- lists:seq(1, 99)],
        Pending = do_pending(S) - 990,
        Tail = binary:copy(<<"0123456789">>, 99),
        <<Filled:?MEGABYTE/binary, Tail/binary>> = do_read(P, ?MEGABYTE + 990)
    end).

%% A send that brings the queue to the high watermark blocks, one byte
%% less does not; the data of the blocked one is in the queue.
send_to_high_watermark_blocks(_Config) ->
    stuck:with([], fun(S, P) ->
        _ = stuck:fill(S),
        Pending = stuck:settled(S),
        ok = inet:setopts(S, [{high_watermark, Pending + 1000}]),
        ok = gen_tcp:send(S, stuck:bytes(999)),
        Sender = start(fun() -> gen_tcp:send(S, "x") end),
        tcp_pairs:eventually(fun() -> do_pending(S) =:= Pending + 1000 end),
        waits(Sender),
        _ = do_read(P, ?MEGABYTE + 1000),
        ok = result(Sender)
    end).

%% It continues when the queue has shrunk to the low watermark, not only
%% when it is empty.
blocked_sender_continues_at_low_watermark(_Config) ->
    Low = 400000,
    stuck:with([{high_watermark, 500000}, {low_watermark, Low}], fun(S, P) ->
        _ = stuck:fill(S),
        Sender = do_blocked_sender(S, "x"),
        do_read_until_done(P, Sender, 20000),
        ok = result(Sender),
        Pending = do_pending(S),
        true = Pending =< Low,
        true = Pending > 0
    end).

%% An empty send blocks as well while the queue is above the high mark.
empty_send_blocks(_Config) ->
    stuck:with([], fun(S, P) ->
        Filled = stuck:fill(S),
        Sender = start(fun() -> gen_tcp:send(S, "") end),
        do_busy(S),
        waits(Sender),
        Filled = do_read(P, ?MEGABYTE),
        ok = result(Sender)
    end).

%% And times out.
empty_send_times_out(_Config) ->
    stuck:with([{send_timeout, 30}], fun(S, P) ->
        Filled = stuck:fill(S),
        {error, timeout} = gen_tcp:send(S, <<>>),
        Filled = do_read(P, ?MEGABYTE),
        ok = gen_tcp:send(S, <<>>)
    end).

%% `busy' is among the states while a sender is blocked, and only then.
busy_is_a_state(_Config) ->
    stuck:with([], fun(S, P) ->
        _ = stuck:fill(S),
        false = lists:member(busy, do_states(S)),
        Sender = do_blocked_sender(S, "x"),
        true = lists:member(busy, do_states(S)),
        _ = do_read(P, ?MEGABYTE + 1),
        ok = result(Sender),
        [connected, open] = lists:sort(do_states(S))
    end).

%% While one sender is blocked the data of others does not reach the queue.
other_senders_are_suspended(_Config) ->
    stuck:with([], fun(S, P) ->
        _ = stuck:fill(S),
        Blocked = do_blocked_sender(S, "first"),
        Pending = stuck:settled(S),
        Others = [start(fun() -> gen_tcp:send(S, stuck:bytes(1000)) end)
                  || _ <- [1, 2]],
        [waits(Sender) || Sender <- [Blocked | Others]],
        Pending = do_pending(S),
        _ = do_read(P, ?MEGABYTE + 5 + 2000),
        [ok = result(Sender) || Sender <- [Blocked | Others]]
    end).

%% They continue when the queue has drained, and send once each.
suspended_senders_continue(_Config) ->
    stuck:with([], fun(S, P) ->
        Filled = stuck:fill(S),
        Blocked = do_blocked_sender(S, "0"),
        Others = [start(fun() -> gen_tcp:send(S, [C]) end) || C <- "123456789"],
        [waits(Sender) || Sender <- Others],
        Filled = do_read(P, ?MEGABYTE),
        <<"0">> = do_read(P, 1),
        Rest = do_read(P, 9),
        "123456789" = lists:sort(binary_to_list(Rest)),
        [ok = result(Sender) || Sender <- [Blocked | Others]]
    end).

%% A blocked sender that is killed has queued its data; the socket and the
%% other senders go on.
killed_sender_leaves_socket_usable(_Config) ->
    stuck:with([], fun(S, P) ->
        Filled = stuck:fill(S),
        {Pid, _} = do_blocked_sender(S, "killed"),
        kill(Pid),
        Other = start(fun() -> gen_tcp:send(S, "other") end),
        waits(Other),
        Filled = do_read(P, ?MEGABYTE),
        <<"killedother">> = do_read(P, 11),
        ok = result(Other),
        ok = gen_tcp:send(S, "more"),
        <<"more">> = do_read(P, 4)
    end).

%% Many senders that block one another: each packet arrives whole, and
%% those of one sender in its order.
sends_are_not_interleaved(_Config) ->
    stuck:with([{packet, 4}, {high_watermark, 3000}, {low_watermark, 1000}],
                  fun(S, P) ->
        Packets = 100,
        Senders = [start(fun() ->
                       [ok = gen_tcp:send(S, do_packet(Id, I))
                        || I <- lists:seq(1, Packets)],
                       done
                   end) || Id <- lists:seq(1, 8)],
        do_read_packets(P, #{}, 8 * Packets),
        [done = result(Sender) || Sender <- Senders]
    end).

%% A send is counted when it is called, also while it is queued, with
%% its header.
counters_count_queued_sends(_Config) ->
    stuck:with([{packet, 4}], fun(S, _P) ->
        ok = gen_tcp:send(S, stuck:bytes(?MEGABYTE)),
        Sender = do_blocked_sender(S, "x"),
        {ok, [{send_cnt, 2}, {send_oct, Octets}, {send_max, Max}]} =
            inet:getstat(S, [send_cnt, send_oct, send_max]),
        Octets = ?MEGABYTE + 4 + 5,
        Max = ?MEGABYTE + 4,
        waits(Sender)
    end).

%%
%% The other direction goes on
%%

%% recv is not delayed by a blocked sender.
recv_while_sender_is_blocked(_Config) ->
    stuck:with([], fun(S, P) ->
        _ = stuck:fill(S),
        Sender = do_blocked_sender(S, "x"),
        ok = tcp_pairs:peer_send(P, "hello"),
        {ok, <<"hello">>} = gen_tcp:recv(S, 5, 5000),
        {error, timeout} = gen_tcp:recv(S, 1, 10),
        waits(Sender)
    end).

%% Nor are messages.
messages_while_sender_is_blocked(_Config) ->
    stuck:with([{packet, line}, {active, true}], fun(S, P) ->
        _ = stuck:fill(S),
        Sender = do_blocked_sender(S, "x"),
        ok = tcp_pairs:peer_send(P, "a\n"),
        receive {tcp, S, <<"a\n">>} -> ok after 5000 -> ct:fail(no_message) end,
        ok = inet:setopts(S, [{active, once}]),
        ok = tcp_pairs:peer_send(P, "b\n"),
        receive {tcp, S, <<"b\n">>} -> ok after 5000 -> ct:fail(no_message) end,
        waits(Sender)
    end).

%% setopts, getopts, getstat, info and the names answer.
calls_while_sender_is_blocked(_Config) ->
    stuck:with([], fun(S, _P) ->
        _ = stuck:fill(S),
        Sender = do_blocked_sender(S, "x"),
        ok = inet:setopts(S, [{nodelay, true}]),
        {ok, [{nodelay, true}]} = inet:getopts(S, [nodelay]),
        {ok, [{send_cnt, 2}]} = inet:getstat(S, [send_cnt]),
        #{states := [_ | _]} = inet:info(S),
        {ok, _} = inet:sockname(S),
        {ok, _} = inet:peername(S),
        waits(Sender)
    end).

%% Shutdown answers; then the blocked sender still gets ok and its data is
%% sent, and one that was only suspended gets closed.
shutdown_while_senders_wait(_Config) ->
    stuck:with([{exit_on_close, false}], fun(S, P) ->
        Filled = stuck:fill(S),
        Blocked = do_blocked_sender(S, "last"),
        Suspended = start(fun() -> gen_tcp:send(S, "never") end),
        waits(Suspended),
        ok = gen_tcp:shutdown(S, write),
        Filled = do_read(P, ?MEGABYTE),
        {<<"last">>, closed} = tcp_pairs:peer_recv_all(P),
        ok = result(Blocked),
        {error, closed} = result(Suspended)
    end).

%% Both ends send and receive a lot at the same time and none waits for
%% ever. It is done several times because what is rare is looked for: a send that
%% finds the queue empty but the kernel full, so that nothing can be written.
bulk_both_ways(_Config) ->
    Data = stuck:bytes(4 * ?MEGABYTE),
    [do_bulk_both_ways(Data) || _ <- lists:seq(1, 15)],
    ok.

do_bulk_both_ways(Data) ->
    {A, B} = tcp_pairs:pair([{sndbuf, 16384}, {recbuf, 16384}]),
    Senders = [start(fun() -> do_send_pieces(S, Data, 50000) end) || S <- [A, B]],
    Receivers = [start(fun() -> do_receive(S, byte_size(Data)) end) || S <- [A, B]],
    [ok = result(Sender) || Sender <- Senders],
    [{ok, Data} = result(Receiver) || Receiver <- Receivers],
    ok = gen_tcp:close(A),
    ok = gen_tcp:close(B).

%% The same with one process for each end that sends while its mailbox
%% fills.
bulk_both_ways_active(_Config) ->
    {A, B} = tcp_pairs:pair([{sndbuf, 32768}, {recbuf, 16384}, {active, true}]),
    Data = stuck:bytes(4 * ?MEGABYTE),
    Echo = fun(S) ->
        receive go -> ok end,
        ok = do_send_pieces(S, Data, 50000),
        do_gather(S, byte_size(Data))
    end,
    Ends = [begin
                {Pid, _} = End = start(fun() -> Echo(S) end),
                ok = gen_tcp:controlling_process(S, Pid),
                End
            end || S <- [A, B]],
    [Pid ! go || {Pid, _} <- Ends],
    [Data = result(End) || End <- Ends],
    tcp_pairs:eventually(fun() -> tcp_pairs:is_gone(A) andalso tcp_pairs:is_gone(B) end).

%% A passive socket that nobody reads lets the kernel hold the peer back.
passive_socket_holds_peer_back(_Config) ->
    {S, P} = tcp_pairs:connect_to_peer([{recbuf, 16384}]),
    Data = stuck:bytes(20 * ?MEGABYTE),
    Rest = do_send_until_stuck(P, Data),
    Sent = byte_size(Data) - byte_size(Rest),
    Head = binary:part(Data, 0, Sent),
    {ok, Head} = do_receive(S, Sent),
    {error, timeout} = gen_tcp:recv(S, 0, 10),
    tcp_pairs:peer_reset(P),
    ok = gen_tcp:close(S).

%% So does one whose `once' has fired.
once_holds_peer_back(_Config) ->
    {S, P} = tcp_pairs:connect_to_peer([{recbuf, 16384}, {active, once}]),
    Data = stuck:bytes(20 * ?MEGABYTE),
    _ = do_send_until_stuck(P, Data),
    receive {tcp, S, First} -> {First, _} = split_binary(Data, byte_size(First)) end,
    ok = mailbox:none(),
    tcp_pairs:peer_reset(P),
    ok = gen_tcp:close(S).

%%
%% send_timeout
%%

%% A send that timed out is queued all the same, and the socket goes on.
timed_out_send_is_still_sent(_Config) ->
    stuck:with([{send_timeout, 30}], fun(S, P) ->
        Filled = stuck:fill(S),
        {error, timeout} = gen_tcp:send(S, "late"),
        Filled = do_read(P, ?MEGABYTE),
        <<"late">> = do_read(P, 4),
        ok = gen_tcp:send(S, "more"),
        <<"more">> = do_read(P, 4)
    end).

%% So sending it again sends it twice.
retry_after_timeout_duplicates(_Config) ->
    stuck:with([{send_timeout, 30}], fun(S, P) ->
        Filled = stuck:fill(S),
        {error, timeout} = gen_tcp:send(S, "twice"),
        {error, timeout} = gen_tcp:send(S, "twice"),
        Filled = do_read(P, ?MEGABYTE),
        <<"twicetwice">> = do_read(P, 10)
    end).

%% Of a row of sends up to the first that times out every byte arrives,
%% once and in order.
every_byte_of_timed_out_sends(_Config) ->
    stuck:with([{send_timeout, 30}], fun(S, P) ->
        Sends = do_send_until_timeout(S, 1),
        Expected = iolist_to_binary([do_numbered(I) || I <- lists:seq(1, Sends)]),
        Expected = do_read(P, byte_size(Expected)),
        ok = gen_tcp:close(S),
        {<<>>, closed} = tcp_pairs:peer_recv_all(P)
    end).

%% A sender that is released before its timeout gets ok.
timeout_does_not_fire_in_time(_Config) ->
    stuck:with([{send_timeout, 20000}], fun(S, P) ->
        _ = stuck:fill(S),
        Sender = do_blocked_sender(S, "x"),
        _ = do_read(P, ?MEGABYTE + 1),
        ok = result(Sender)
    end).

%% The time runs for the blocked sender only, so three senders at once
%% time out one after another. Only the least possible time is checked.
timeouts_run_one_after_another(_Config) ->
    Timeout = 100,
    stuck:with([{send_timeout, Timeout}], fun(S, _P) ->
        _ = stuck:fill(S),
        Start = erlang:monotonic_time(millisecond),
        Senders = [start(fun() ->
                       {error, timeout} = gen_tcp:send(S, "x"),
                       erlang:monotonic_time(millisecond) - Start
                   end) || _ <- [1, 2, 3]],
        [First, Second, Third] = lists:sort([result(Sender) || Sender <- Senders]),
        true = First >= Timeout,
        true = Second >= 2 * Timeout,
        true = Third >= 3 * Timeout
    end).

%% With a timeout of 0 a send over the high mark fails at once and is
%% queued.
zero_timeout_fails_at_once(_Config) ->
    stuck:with([{send_timeout, 0}], fun(S, P) ->
        Filled = stuck:fill(S),
        {error, timeout} = gen_tcp:send(S, "a"),
        {error, timeout} = gen_tcp:send(S, "b"),
        Filled = do_read(P, ?MEGABYTE),
        <<"ab">> = do_read(P, 2),
        ok = gen_tcp:send(S, "c"),
        <<"c">> = do_read(P, 1)
    end).

%% send_timeout_close does nothing then.
zero_timeout_ignores_timeout_close(_Config) ->
    Opts = [{send_timeout, 0}, {send_timeout_close, true}],
    stuck:with(Opts, fun(S, P) ->
        Filled = stuck:fill(S),
        {error, timeout} = gen_tcp:send(S, "a"),
        {ok, _} = inet:peername(S),
        Filled = do_read(P, ?MEGABYTE),
        <<"a">> = do_read(P, 1),
        ok = gen_tcp:send(S, "b")
    end).

%% send_timeout may be set at any time; it counts for later sends.
timeout_set_later_counts(_Config) ->
    stuck:with([], fun(S, P) ->
        _ = stuck:fill(S),
        ok = inet:setopts(S, [{send_timeout, 20}]),
        {error, timeout} = gen_tcp:send(S, "a"),
        ok = inet:setopts(S, [{send_timeout, infinity}]),
        Sender = start(fun() -> gen_tcp:send(S, "b") end),
        waits(Sender),
        _ = do_read(P, ?MEGABYTE),
        <<"ab">> = do_read(P, 2),
        ok = result(Sender)
    end).

%% An accepted socket has its listener's send_timeout.
timeout_is_inherited(_Config) ->
    Opts = [{send_timeout, 30}, {sndbuf, 32768}],
    {S, P} = tcp_pairs:accept_from_peer(Opts, #{rcvbuf => 65536}),
    _ = stuck:fill(S),
    {error, timeout} = gen_tcp:send(S, "x"),
    tcp_pairs:peer_reset(P),
    ok = gen_tcp:close(S).

%% After the timeout of a socket with send_timeout_close every call
%% fails.
timeout_close_passive(_Config) ->
    Opts = [{send_timeout, 30}, {send_timeout_close, true}],
    stuck:with(Opts, fun(S, _P) ->
        _ = stuck:fill(S),
        {error, timeout} = gen_tcp:send(S, "x"),
        {error, enotconn} = gen_tcp:send(S, "x"),
        {error, enotconn} = gen_tcp:recv(S, 0, 1000),
        {error, enotconn} = inet:peername(S),
        {error, enotconn} = gen_tcp:send(S, "x"),
        ok = gen_tcp:close(S),
        {error, closed} = gen_tcp:send(S, "x")
    end).

%% An armed owner gets no message, until it arms the socket again. Since 2026
%% OTP tells it, and the socket ends as when its peer closes.
timeout_close_armed(_Config) ->
    Opts = [{send_timeout, 30}, {send_timeout_close, true}, {active, true}],
    stuck:with(Opts, fun(S, _P) ->
        Monitor = inet:monitor(S),
        _ = stuck:fill(S),
        {error, timeout} = gen_tcp:send(S, "x"),
        case running_otp:tells_of_a_timeout_close() of
            true ->
                {error, closed} = gen_tcp:send(S, "x"),
                receive {tcp_closed, S} -> ok after 5000 -> ct:fail(no_tcp_closed) end,
                {error, einval} = inet:setopts(S, [{active, once}]);
            false ->
                {error, enotconn} = gen_tcp:send(S, "x"),
                ok = mailbox:none(),
                ok = inet:setopts(S, [{active, once}]),
                receive {tcp_closed, S} -> ok after 5000 -> ct:fail(no_tcp_closed) end,
                {error, closed} = gen_tcp:send(S, "x")
        end,
        receive {'DOWN', Monitor, port, S, normal} -> ok after 5000 -> ct:fail(no_down) end
    end).

%% With exit_on_close false the socket stays after that message.
timeout_close_armed_keeps_the_socket(_Config) ->
    Opts = [{send_timeout, 30}, {send_timeout_close, true}, {active, once},
            {exit_on_close, false}],
    stuck:with(Opts, fun(S, _P) ->
        _ = stuck:fill(S),
        {error, timeout} = gen_tcp:send(S, "x"),
        running_otp:tells_of_a_timeout_close()
            andalso receive {tcp_closed, S} -> ok after 5000 -> ct:fail(no_tcp_closed) end,
        {error, enotconn} = gen_tcp:send(S, "x"),
        ok = mailbox:none(),
        ok = inet:setopts(S, [{active, once}]),
        %% It is told once.
        running_otp:tells_of_a_timeout_close()
            orelse receive {tcp_closed, S} -> ok after 5000 -> ct:fail(no_tcp_closed) end,
        {error, enotconn} = gen_tcp:send(S, "x"),
        [] = tcp_pairs:flush()
    end).

%% The queue is dropped: the peer gets what the kernel had, then the end.
timeout_close_peer_sees_end(_Config) ->
    Opts = [{send_timeout, 30}, {send_timeout_close, true}],
    stuck:with(Opts, fun(S, P) ->
        Filled = stuck:fill(S),
        {error, timeout} = gen_tcp:send(S, "x"),
        {Got, closed} = tcp_pairs:peer_recv_all(P),
        true = byte_size(Got) < ?MEGABYTE,
        {Got, _} = split_binary(Filled, byte_size(Got))
    end).

%% An accepted socket has its listener's send_timeout_close.
timeout_close_is_inherited(_Config) ->
    Opts = [{send_timeout, 30}, {send_timeout_close, true}, {sndbuf, 32768}],
    {S, P} = tcp_pairs:accept_from_peer(Opts, #{rcvbuf => 65536}),
    _ = stuck:fill(S),
    {error, timeout} = gen_tcp:send(S, "x"),
    {error, enotconn} = gen_tcp:send(S, "x"),
    tcp_pairs:peer_reset(P),
    ok = gen_tcp:close(S).

%%
%% delay_send
%%

%% With delay_send the data follows at once and in order.
delayed_send_arrives(_Config) ->
    stuck:with([{delay_send, true}], fun(S, P) ->
        [ok = gen_tcp:send(S, [C]) || C <- "abcdef"],
        <<"abcdef">> = do_read(P, 6),
        Data = stuck:bytes(?MEGABYTE),
        ok = gen_tcp:send(S, Data),
        Data = do_read(P, ?MEGABYTE)
    end).

%% Close still delivers it.
delayed_send_before_close_arrives(_Config) ->
    stuck:with([{delay_send, true}], fun(S, P) ->
        ok = gen_tcp:send(S, "last words"),
        ok = gen_tcp:close(S),
        {<<"last words">>, closed} = tcp_pairs:peer_recv_all(P)
    end).

%% A failure shows in the next send, after that the socket is not
%% connected.
delayed_send_fails_later(_Config) ->
    stuck:with([{delay_send, true}], fun(S, P) ->
        tcp_pairs:peer_reset(P),
        ok = tcp_pairs:reset_arrived(S),
        ok = gen_tcp:send(S, "into the void"),
        tcp_pairs:eventually(fun() -> gen_tcp:send(S, "x") =/= ok end),
        {error, enotconn} = gen_tcp:send(S, "x")
    end).

%%
%% A sender waits and the connection ends
%%

%% The peer resets: closed.
blocked_sender_when_peer_resets(_Config) ->
    stuck:with([], fun(S, P) ->
        _ = stuck:fill(S),
        Sender = do_blocked_sender(S, "x"),
        tcp_pairs:peer_reset(P),
        {error, closed} = result(Sender),
        {error, enotconn} = gen_tcp:send(S, "x")
    end).

%% Econnreset with show_econnreset.
blocked_sender_when_peer_resets_shown(_Config) ->
    stuck:with([{show_econnreset, true}], fun(S, P) ->
        _ = stuck:fill(S),
        Sender = do_blocked_sender(S, "x"),
        tcp_pairs:peer_reset(P),
        {error, econnreset} = result(Sender),
        {error, enotconn} = gen_tcp:send(S, "x")
    end).

%% An armed owner gets its messages as well.
blocked_sender_when_peer_resets_armed(_Config) ->
    stuck:with([{active, true}], fun(S, P) ->
        _ = stuck:fill(S),
        Sender = do_blocked_sender(S, "x"),
        tcp_pairs:peer_reset(P),
        {error, closed} = result(Sender),
        receive {tcp_closed, S} -> ok after 5000 -> ct:fail(no_tcp_closed) end,
        ok = mailbox:none()
    end),
    stuck:with([{active, once}, {show_econnreset, true}], fun(S, P) ->
        _ = stuck:fill(S),
        Sender = do_blocked_sender(S, "x"),
        tcp_pairs:peer_reset(P),
        {error, econnreset} = result(Sender),
        receive {tcp_error, S, econnreset} -> ok after 5000 -> ct:fail(no_tcp_error) end,
        receive {tcp_closed, S} -> ok after 5000 -> ct:fail(no_tcp_closed) end,
        ok = mailbox:none()
    end).

%% The reset that a blocked sender saw is seen once by recv too.
recv_after_reset_of_blocked_sender(_Config) ->
    [stuck:with([{show_econnreset, Show}], fun(S, P) ->
         _ = stuck:fill(S),
         Sender = do_blocked_sender(S, "x"),
         tcp_pairs:peer_reset(P),
         {error, Reason} = result(Sender),
         {error, Reason} = gen_tcp:recv(S, 0, 1000),
         {error, enotconn} = gen_tcp:recv(S, 0, 1000)
     end) || {Show, Reason} <- [{false, closed}, {true, econnreset}]].

%% A suspended sender is released too.
suspended_sender_when_peer_resets(_Config) ->
    stuck:with([], fun(S, P) ->
        _ = stuck:fill(S),
        Blocked = do_blocked_sender(S, "x"),
        Suspended = start(fun() -> gen_tcp:send(S, "y") end),
        waits(Suspended),
        tcp_pairs:peer_reset(P),
        {error, closed} = result(Blocked),
        {error, _} = result(Suspended)
    end).

%% recv sees the end of the stream: the queue is dropped, the peer
%% gets what the kernel had.
end_of_stream_drops_queue(_Config) ->
    stuck:with([], fun(S, P) ->
        Filled = stuck:fill(S),
        ok = tcp_pairs:peer_shutdown(P, write),
        {error, closed} = gen_tcp:recv(S, 0, 5000),
        {Got, closed} = tcp_pairs:peer_recv_all(P),
        true = byte_size(Got) < ?MEGABYTE,
        {Got, _} = split_binary(Filled, byte_size(Got))
    end).

%% The same when an armed socket sees it.
end_of_stream_drops_queue_armed(_Config) ->
    stuck:with([{active, true}], fun(S, P) ->
        Filled = stuck:fill(S),
        ok = tcp_pairs:peer_shutdown(P, write),
        receive {tcp_closed, S} -> ok after 5000 -> ct:fail(no_tcp_closed) end,
        {Got, closed} = tcp_pairs:peer_recv_all(P),
        true = byte_size(Got) < ?MEGABYTE,
        {Got, _} = split_binary(Filled, byte_size(Got))
    end).

%% A blocked sender gets closed.
end_of_stream_releases_blocked_sender(_Config) ->
    stuck:with([], fun(S, P) ->
        _ = stuck:fill(S),
        Sender = do_blocked_sender(S, "x"),
        ok = tcp_pairs:peer_shutdown(P, write),
        {error, closed} = gen_tcp:recv(S, 0, 5000),
        {error, closed} = result(Sender)
    end).

%% With `exit_on_close' false the queue is kept and everything is
%% delivered, passive and armed.
end_of_stream_keeps_queue_without_exit_on_close(_Config) ->
    stuck:with([{exit_on_close, false}], fun(S, P) ->
        Filled = stuck:fill(S),
        ok = tcp_pairs:peer_shutdown(P, write),
        {error, closed} = gen_tcp:recv(S, 0, 5000),
        Filled = do_read(P, ?MEGABYTE),
        ok = gen_tcp:send(S, "more"),
        <<"more">> = do_read(P, 4)
    end),
    stuck:with([{exit_on_close, false}, {active, true}], fun(S, P) ->
        Filled = stuck:fill(S),
        ok = tcp_pairs:peer_shutdown(P, write),
        receive {tcp_closed, S} -> ok after 5000 -> ct:fail(no_tcp_closed) end,
        Filled = do_read(P, ?MEGABYTE),
        ok = gen_tcp:send(S, "more"),
        <<"more">> = do_read(P, 4)
    end).

%% A blocked sender is released with closed there too, although the
%% socket goes on.
end_of_stream_releases_sender_without_exit_on_close(_Config) ->
    stuck:with([{exit_on_close, false}], fun(S, P) ->
        _ = stuck:fill(S),
        Sender = do_blocked_sender(S, "x"),
        ok = tcp_pairs:peer_shutdown(P, write),
        {error, closed} = gen_tcp:recv(S, 0, 5000),
        {error, closed} = result(Sender),
        {ok, _} = inet:peername(S)
    end).

%% Another process closes and drops the queue: the blocked sender
%% gets closed, on OTP 25 only after up to five seconds, later at once.
blocked_sender_when_another_closes(_Config) ->
    stuck:with([{linger, {true, 0}}], fun(S, _P) ->
        _ = stuck:fill(S),
        Sender = do_blocked_sender(S, "x"),
        ok = tcp_pairs:by_another(fun() -> gen_tcp:close(S) end),
        {error, closed} = result(Sender)
    end).

%% The owner dies: the blocked sender gets closed, the peer gets
%% everything that was queued.
blocked_sender_when_owner_dies(_Config) ->
    L = tcp_pairs:peer_listen(#{rcvbuf => 65536}),
    Case = self(),
    Owner = spawn(fun() ->
        {ok, Opened} = gen_tcp:connect({127, 0, 0, 1}, tcp_pairs:peer_port(L),
                                       [{active, false}, {sndbuf, 32768}]),
        Case ! {self(), Opened},
        receive after infinity -> ok end
    end),
    P = tcp_pairs:peer_accept(L),
    S = receive {Owner, Socket} -> Socket after 5000 -> ct:fail(no_socket) end,
    Filled = stuck:fill(S),
    Sender = do_blocked_sender(S, "x"),
    kill(Owner),
    {error, closed} = result(Sender),
    Filled = do_read(P, ?MEGABYTE),
    {<<"x">>, closed} = tcp_pairs:peer_recv_all(P),
    tcp_pairs:peer_reset(P),
    tcp_pairs:peer_close(L).

%%
%% A socket whose peer does not read
%%

%% A sender that is blocked, with its data in the queue.
do_blocked_sender(S, Data) ->
    Sender = start(fun() -> gen_tcp:send(S, Data) end),
    do_busy(S),
    Sender.

do_busy(S) ->
    tcp_pairs:eventually(fun() -> lists:member(busy, do_states(S)) end).

do_states(S) ->
    #{states := States} = inet:info(S),
    States.

do_pending(S) ->
    {ok, [{send_pend, Pending}]} = inet:getstat(S, [send_pend]),
    Pending.

%%
%% The peer
%%

do_read(P, Octets) ->
    tcp_pairs:peer_recv(P, Octets).

%% Reads Step bytes at a time until the process is done.
do_read_until_done(P, {_, Ref} = Running, Step) ->
    receive
        {Ref, Result} ->
            self() ! {Ref, Result}
    after 20 ->
        _ = do_read(P, Step),
        do_read_until_done(P, Running, Step)
    end.

%% Writes until nothing is taken for a while; returns what is left.
do_send_until_stuck(P, Data) ->
    case socket:send(P, Data, 200) of
        {error, {timeout, Rest}} when byte_size(Rest) < byte_size(Data) ->
            do_send_until_stuck(P, Rest);
        {error, {timeout, Rest}} ->
            Rest;
        {error, timeout} ->
            Data
    end.

%% Checks that every packet is whole and that each sender counts from 1.
do_read_packets(_P, Counts, 0) ->
    [100] = lists:usort(maps:values(Counts)),
    ok;
do_read_packets(P, Counts, Left) ->
    <<Length:32>> = do_read(P, 4),
    <<Id, I:16, Rest/binary>> = do_read(P, Length),
    I = maps:get(Id, Counts, 0) + 1,
    Rest = binary:copy(<<Id>>, Length - 3),
    do_read_packets(P, Counts#{Id => I}, Left - 1).

do_packet(Id, I) ->
    [<<Id, I:16>>, binary:copy(<<Id>>, 500 + Id * I)].

%%
%% Data
%%

do_numbered(I) ->
    [<<I:32>>, binary:copy(<<I>>, 3000)].

do_send_until_timeout(S, I) ->
    case gen_tcp:send(S, do_numbered(I)) of
        ok -> do_send_until_timeout(S, I + 1);
        {error, timeout} -> I
    end.

do_send_pieces(S, Data, Size) when byte_size(Data) > Size ->
    {Piece, Rest} = split_binary(Data, Size),
    ok = gen_tcp:send(S, Piece),
    do_send_pieces(S, Rest, Size);
do_send_pieces(S, Data, _Size) ->
    gen_tcp:send(S, Data).

do_receive(S, Octets) ->
    do_receive(S, Octets, []).

do_receive(_S, 0, Got) ->
    {ok, iolist_to_binary(Got)};
do_receive(S, Octets, Got) ->
    {ok, Data} = gen_tcp:recv(S, 0, 10000),
    do_receive(S, Octets - byte_size(Data), [Got, Data]).

do_gather(S, Octets) ->
    do_gather(S, Octets, []).

do_gather(_S, 0, Got) ->
    iolist_to_binary(Got);
do_gather(S, Octets, Got) ->
    receive
        {tcp, S, Data} -> do_gather(S, Octets - byte_size(Data), [Got, Data])
    after 10000 ->
        ct:fail({missing, Octets})
    end.
