%% @doc How connections end: what each side sees of an end of stream, a reset
%% and a failed send, and what becomes of output that is still queued when a
%% socket is closed, shut down, or loses its owner.
%%
%% The peer is a plain `socket'. Cases about queued output give it a small
%% receive buffer, so that a megabyte is far more than the kernel takes.
-module(closing_SUITE).

-export([all/0, groups/0, suite/0, init_per_group/2, end_per_group/2]).
-export([end_passive/1, end_passive_send_first/1, end_passive_half_closed/1,
         end_armed/1, end_armed_half_closed/1, end_not_read_yet/1,
         end_behind_packets/1, end_inside_packet/1,
         reset_passive/1, reset_passive_send_first/1, reset_passive_half_closed/1,
         reset_armed/1, reset_armed_half_closed/1,
         reset_shown_passive/1, reset_shown_passive_send_first/1,
         reset_shown_passive_half_closed/1,
         reset_shown_passive_half_closed_read_on/1, reset_shown_armed/1,
         reset_shown_armed_half_closed/1,
         end_then_reset_half_closed/1, data_before_reset_is_delivered/1,
         peer_closes_with_unread_data/1, peer_closes_then_sends_fail/1,
         reset_with_queued_output/1, reset_with_queued_output_recv_first/1,
         failed_send_then_armed/1, reported_end_then_armed/1,
         send_to_reset_armed_socket/1, framing_error_ends_connection/1]).
-export([close_without_queue/1, close_waits_for_queue/1,
         close_by_another_waits_for_queue/1, close_gives_up_on_stalled_peer/1,
         close_lingers_for_a_while/1, close_with_linger_zero_resets/1,
         close_with_linger_zero_drops_queue/1, owner_exit_flushes_queue/1,
         owner_exit_with_linger_zero_drops_queue/1,
         close_removes_own_tcp_closed/1, close_leaves_other_messages/1,
         close_twice_and_by_anybody/1, close_releases_blocked_recv/1,
         close_never_accepted_connection/1, close_both_ends_at_once/1,
         calls_on_husk_return/1, calls_on_gone_return/1]).
-export([shutdown_write_follows_queue/1, shutdown_read_write_follows_queue/1,
         shutdown_write_twice/1, shutdown_write_keeps_reading/1,
         shutdown_write_keeps_messages/1, send_while_shutdown_drains/1,
         send_while_shutdown_drains_armed/1,
         send_while_shutdown_drains_half_closed/1, send_after_shutdown/1,
         send_after_shutdown_armed/1, shutdown_read/1, shutdown_read_armed/1,
         shutdown_read_half_closed/1, half_close_protocol/1,
         half_close_protocol_armed/1, half_close_needs_exit_on_close_false/1,
         close_after_shutdown/1]).

-define(MEGABYTE, 1_000_000).

-import(callers, [start/1, result/1, waits/1, kill/1]).
-import(mailbox, [next/0, none/0]).

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
    [end_passive, end_passive_send_first, end_passive_half_closed, end_armed,
     end_armed_half_closed, end_not_read_yet, end_behind_packets,
     end_inside_packet, reset_passive, reset_passive_send_first,
     reset_passive_half_closed, reset_armed, reset_armed_half_closed,
     reset_shown_passive, reset_shown_passive_send_first,
     reset_shown_passive_half_closed, reset_shown_passive_half_closed_read_on,
     reset_shown_armed,
     reset_shown_armed_half_closed, end_then_reset_half_closed,
     data_before_reset_is_delivered, peer_closes_with_unread_data,
     peer_closes_then_sends_fail, reset_with_queued_output,
     reset_with_queued_output_recv_first, failed_send_then_armed,
     reported_end_then_armed, send_to_reset_armed_socket,
     framing_error_ends_connection,

     close_without_queue, close_waits_for_queue,
     close_by_another_waits_for_queue, close_gives_up_on_stalled_peer,
     close_lingers_for_a_while, close_with_linger_zero_resets,
     close_with_linger_zero_drops_queue, owner_exit_flushes_queue,
     owner_exit_with_linger_zero_drops_queue, close_removes_own_tcp_closed,
     close_leaves_other_messages, close_twice_and_by_anybody,
     close_releases_blocked_recv, close_never_accepted_connection,
     close_both_ends_at_once, calls_on_husk_return, calls_on_gone_return,

     shutdown_write_follows_queue, shutdown_read_write_follows_queue,
     shutdown_write_twice, shutdown_write_keeps_reading,
     shutdown_write_keeps_messages, send_while_shutdown_drains,
     send_while_shutdown_drains_armed, send_while_shutdown_drains_half_closed,
     send_after_shutdown, send_after_shutdown_armed, shutdown_read,
     shutdown_read_armed, shutdown_read_half_closed, half_close_protocol,
     half_close_protocol_armed, half_close_needs_exit_on_close_false,
     close_after_shutdown].

%%
%% End of stream
%%

%% At the end of the stream recv says closed once, then the socket is not connected; the
%% first send after it says closed too.
end_passive(_Config) ->
    do_with_peer([], fun(S, P) ->
        do_finish(S, P),
        do_calls(S, [{recv, closed}, {recv, enotconn}, {send, closed},
                     {send, enotconn}, {recv, enotconn}]),
        {error, enotconn} = inet:peername(S)
    end).

%% The end of the stream: the same two first results, send first.
end_passive_send_first(_Config) ->
    do_with_peer([], fun(S, P) ->
        do_finish(S, P),
        do_calls(S, [{recv, closed}, {send, closed}, {recv, enotconn},
                     {send, enotconn}])
    end).

%% The end of the stream: with `exit_on_close' false recv says closed every time and sends go
%% through.
end_passive_half_closed(_Config) ->
    do_with_peer([{exit_on_close, false}], fun(S, P) ->
        do_finish(S, P),
        do_calls(S, [{recv, closed}, {recv, closed}, {send, ok}, {recv, closed},
                     {send, ok}]),
        <<"xx">> = tcp_pairs:peer_recv(P, 2),
        {ok, _} = inet:peername(S)
    end).

%% The end of the stream while armed: tcp_closed, and the socket is gone.
end_armed(_Config) ->
    [do_with_peer([{active, Active}], fun(S, P) ->
         ok = tcp_pairs:peer_shutdown(P, write),
         {tcp_closed, S} = next(),
         do_calls(S, [{send, closed}, {recv, closed}]),
         true = tcp_pairs:is_gone(S),
         none()
     end) || Active <- [true, once, 5]],
    ok.

%% The end of the stream while armed with `exit_on_close' false: tcp_closed once, sends go through,
%% and recv, once the socket is passive, says closed every time.
end_armed_half_closed(_Config) ->
    do_with_peer([{active, true}, {exit_on_close, false}], fun(S, P) ->
        ok = tcp_pairs:peer_shutdown(P, write),
        {tcp_closed, S} = next(),
        do_calls(S, [{send, ok}, {send, ok}]),
        <<"xx">> = tcp_pairs:peer_recv(P, 2),
        ok = inet:setopts(S, [{active, false}]),
        do_calls(S, [{recv, closed}, {recv, closed}, {send, ok}]),
        none()
    end).

%% Until somebody reads, a passive socket does not notice the end:
%% sends go through, also with `exit_on_close' true.
end_not_read_yet(_Config) ->
    do_with_peer([], fun(S, P) ->
        do_finish(S, P),
        do_calls(S, [{send, ok}, {send, ok}]),
        <<"xx">> = tcp_pairs:peer_recv(P, 2),
        {ok, _} = inet:peername(S),
        do_calls(S, [{recv, closed}, {recv, enotconn}])
    end).

%% Packets that arrived before the end come first.
end_behind_packets(_Config) ->
    do_with_peer([{packet, 1}], fun(S, P) ->
        ok = tcp_pairs:peer_send(P, <<1, "a", 1, "b">>),
        do_finish(S, P),
        {ok, <<"a">>} = gen_tcp:recv(S, 0, 5000),
        {ok, <<"b">>} = gen_tcp:recv(S, 0, 5000),
        do_calls(S, [{recv, closed}, {recv, enotconn}])
    end).

%% Bytes of an incomplete packet, or fewer than recv wants, are lost
%% at the end, also when it comes while recv waits.
end_inside_packet(_Config) ->
    do_with_peer([{packet, 4}], fun(S, P) ->
        ok = tcp_pairs:peer_send(P, <<5:32, "abc">>),
        do_finish(S, P),
        do_calls(S, [{recv, closed}, {recv, enotconn}])
    end),
    do_with_peer([], fun(S, P) ->
        ok = tcp_pairs:peer_send(P, "abc"),
        Receiver = start(fun() -> gen_tcp:recv(S, 5, 10000) end),
        waits(Receiver),
        ok = tcp_pairs:peer_shutdown(P, write),
        {error, closed} = result(Receiver),
        do_calls(S, [{recv, enotconn}])
    end).

%%
%% Resets
%%

%% A reset of a passive socket: as at the end of the stream.
reset_passive(_Config) ->
    do_with_peer([], fun(S, P) ->
        do_reset(S, P),
        do_calls(S, [{recv, closed}, {recv, enotconn}, {send, closed},
                     {send, enotconn}])
    end).

%% A failed send: the send says closed, and so does the first recv.
reset_passive_send_first(_Config) ->
    [do_with_peer([{exit_on_close, Exit}], fun(S, P) ->
         do_reset(S, P),
         do_calls(S, [{send, closed}, {send, enotconn}, {recv, closed},
                      {recv, enotconn}, {send, enotconn}])
     end) || Exit <- [true, false]],
    ok.

%% A reset: `exit_on_close' false: recv says closed every time.
reset_passive_half_closed(_Config) ->
    do_with_peer([{exit_on_close, false}], fun(S, P) ->
        do_reset(S, P),
        do_calls(S, [{recv, closed}, {recv, closed}, {recv, closed}]),
        do_calls(S, [{send, closed}, {send, closed}, {send, enotconn}])
    end).

%% A reset while armed: tcp_closed alone, and the socket is gone.
reset_armed(_Config) ->
    [do_with_peer([{active, Active}], fun(S, P) ->
         tcp_pairs:peer_reset(P),
         {tcp_closed, S} = next(),
         do_calls(S, [{send, closed}, {send, closed}, {recv, closed}]),
         true = tcp_pairs:is_gone(S),
         none()
     end) || Active <- [true, once, 5]],
    ok.

%% A reset while armed with `exit_on_close' false: tcp_closed; two sends say
%% closed, later ones that it is not connected.
reset_armed_half_closed(_Config) ->
    do_with_peer([{active, true}, {exit_on_close, false}], fun(S, P) ->
        tcp_pairs:peer_reset(P),
        {tcp_closed, S} = next(),
        do_calls(S, [{send, closed}, {send, closed}, {send, enotconn},
                     {send, enotconn}]),
        none()
    end).

%% A reset with show_econnreset: recv says econnreset once; sends are not
%% connected from the start.
reset_shown_passive(_Config) ->
    do_with_peer([{show_econnreset, true}], fun(S, P) ->
        do_reset(S, P),
        do_calls(S, [{recv, econnreset}, {send, enotconn}, {recv, enotconn},
                     {send, enotconn}])
    end).

%% A failed send with show_econnreset: econnreset for the send, and once
%% for recv.
reset_shown_passive_send_first(_Config) ->
    [do_with_peer([{show_econnreset, true}, {exit_on_close, Exit}], fun(S, P) ->
         do_reset(S, P),
         do_calls(S, [{send, econnreset}, {send, enotconn}, {recv, econnreset},
                      {recv, enotconn}, {send, enotconn}])
     end) || Exit <- [true, false]],
    ok.

%% A reset: `exit_on_close' false: recv says econnreset; so does one send,
%% and one recv after it.
reset_shown_passive_half_closed(_Config) ->
    do_with_peer([{show_econnreset, true}, {exit_on_close, false}], fun(S, P) ->
        do_reset(S, P),
        do_calls(S, [{recv, econnreset}, {send, econnreset}, {send, enotconn},
                     {recv, econnreset}, {recv, enotconn}])
    end).

%% A reset: after econnreset recv says closed, every time; from then on it takes
%% two sends until the socket is not connected.
reset_shown_passive_half_closed_read_on(_Config) ->
    do_with_peer([{show_econnreset, true}, {exit_on_close, false}], fun(S, P) ->
        do_reset(S, P),
        do_calls(S, [{recv, econnreset}, {recv, closed}, {recv, closed},
                     {send, econnreset}, {send, econnreset}, {send, enotconn}])
    end).

%% A reset while armed: tcp_error, tcp_closed, and the socket is gone.
reset_shown_armed(_Config) ->
    [do_with_peer([{active, Active}, {show_econnreset, true}], fun(S, P) ->
         tcp_pairs:peer_reset(P),
         {tcp_error, S, econnreset} = next(),
         {tcp_closed, S} = next(),
         do_calls(S, [{send, closed}, {recv, closed}]),
         true = tcp_pairs:is_gone(S),
         none()
     end) || Active <- [true, once, 5]],
    ok.

%% A reset while armed with `exit_on_close' false: both messages; the first send
%% says econnreset and sends a second tcp_error, but no second tcp_closed.
reset_shown_armed_half_closed(_Config) ->
    Opts = [{active, true}, {exit_on_close, false}, {show_econnreset, true}],
    do_with_peer(Opts, fun(S, P) ->
        tcp_pairs:peer_reset(P),
        {tcp_error, S, econnreset} = next(),
        {tcp_closed, S} = next(),
        do_calls(S, [{send, econnreset}]),
        {tcp_error, S, econnreset} = next(),
        do_calls(S, [{send, enotconn}, {send, enotconn}]),
        none()
    end).

%% Half-closed after the end of the stream, and then the peer resets: two
%% sends say so, then the socket is not connected; one recv says so too.
end_then_reset_half_closed(_Config) ->
    [do_with_peer([{exit_on_close, false}, {show_econnreset, Show}], fun(S, P) ->
         do_finish(S, P),
         do_calls(S, [{recv, closed}, {send, ok}]),
         do_reset(S, P),
         do_calls(S, [{send, Reason}, {send, Reason}, {send, enotconn},
                      {recv, Reason}, {recv, enotconn}])
     end) || {Show, Reason} <- [{false, closed}, {true, econnreset}]],
    ok.

%% Data that arrived before the reset is delivered first.
data_before_reset_is_delivered(_Config) ->
    do_with_peer([{show_econnreset, true}], fun(S, P) ->
        ok = tcp_pairs:peer_send(P, "last words"),
        do_reset(S, P),
        {ok, <<"last words">>} = gen_tcp:recv(S, 10, 5000),
        do_calls(S, [{recv, econnreset}])
    end),
    do_with_peer([{show_econnreset, true}, {packet, line}], fun(S, P) ->
        ok = tcp_pairs:peer_send(P, "last\nwords\n"),
        do_reset(S, P),
        ok = inet:setopts(S, [{active, true}]),
        {tcp, S, <<"last\n">>} = next(),
        {tcp, S, <<"words\n">>} = next(),
        {tcp_error, S, econnreset} = next(),
        {tcp_closed, S} = next()
    end).

%% A peer that closes without having read everything resets.
peer_closes_with_unread_data(_Config) ->
    do_with_peer([{show_econnreset, true}], fun(S, P) ->
        ok = gen_tcp:send(S, "not read"),
        ok = tcp_pairs:acknowledged(S),
        tcp_pairs:peer_close(P),
        ok = tcp_pairs:reset_arrived(S),
        do_calls(S, [{recv, econnreset}, {recv, enotconn}])
    end).

%% The peer has closed and nothing was read: the first send goes through
%% and is answered with a reset, the second fails, the third is not connected.
peer_closes_then_sends_fail(_Config) ->
    [do_with_peer([{show_econnreset, Show}], fun(S, P) ->
         tcp_pairs:peer_close(P),
         ok = tcp_pairs:eof_arrived(S),
         do_calls(S, [{send, ok}]),
         ok = tcp_pairs:reset_arrived(S),
         do_calls(S, [{send, Reason}, {send, enotconn}])
     end) || {Show, Reason} <- [{false, closed}, {true, econnreset}]],
    ok.

%% The peer resets while output is queued, after send had said ok:
%% the next send says so once, the first recv as well.
reset_with_queued_output(_Config) ->
    [stuck:with([{show_econnreset, Show}], fun(S, P) ->
         _ = stuck:fill(S),
         tcp_pairs:peer_reset(P),
         do_released(S),
         do_calls(S, [{send, Reason}, {send, enotconn}, {recv, Reason},
                      {recv, enotconn}])
     end) || {Show, Reason} <- [{false, closed}, {true, econnreset}]],
    ok.

%% If recv comes first, sends are not connected at once.
reset_with_queued_output_recv_first(_Config) ->
    [stuck:with([{show_econnreset, Show}], fun(S, P) ->
         _ = stuck:fill(S),
         tcp_pairs:peer_reset(P),
         do_released(S),
         do_calls(S, [{recv, Reason}, {send, enotconn}, {recv, enotconn}])
     end) || {Show, Reason} <- [{false, closed}, {true, econnreset}]],
    ok.

%% A send has failed; when the socket is armed the messages come, and
%% then it is gone.
failed_send_then_armed(_Config) ->
    do_with_peer([], fun(S, P) ->
        do_reset(S, P),
        do_calls(S, [{send, closed}]),
        none(),
        ok = inet:setopts(S, [{active, once}]),
        {tcp_closed, S} = next(),
        none(),
        true = tcp_pairs:is_gone(S)
    end),
    do_with_peer([{show_econnreset, true}], fun(S, P) ->
        do_reset(S, P),
        do_calls(S, [{send, econnreset}]),
        ok = inet:setopts(S, [{active, true}]),
        {tcp_error, S, econnreset} = next(),
        {tcp_closed, S} = next(),
        none(),
        true = tcp_pairs:is_gone(S)
    end).

%% recv has consumed the error: only tcp_closed is left.
reported_end_then_armed(_Config) ->
    do_with_peer([{show_econnreset, true}], fun(S, P) ->
        do_reset(S, P),
        do_calls(S, [{recv, econnreset}]),
        ok = inet:setopts(S, [{active, true}]),
        {tcp_closed, S} = next(),
        none(),
        true = tcp_pairs:is_gone(S)
    end).

%% A failed send while armed: the sender gets closed and the owner its messages,
%% whichever of the two notices the reset first.
send_to_reset_armed_socket(_Config) ->
    [do_with_peer([{active, true}, {show_econnreset, Show}], fun(S, P) ->
         tcp_pairs:peer_reset(P),
         tcp_pairs:eventually(fun() -> gen_tcp:send(S, "x") =:= {error, closed} end),
         [{tcp_error, S, econnreset} = next() || Show],
         {tcp_closed, S} = next(),
         none()
     end) || Show <- [false, true]],
    ok.

%% After a framing error nothing works any more.
framing_error_ends_connection(_Config) ->
    do_with_peer([{packet, 2}, {packet_size, 3}], fun(S, P) ->
        ok = tcp_pairs:peer_send(P, <<4:16, "abcd">>),
        do_calls(S, [{recv, emsgsize}, {recv, enotconn}, {send, enotconn}])
    end).

%%
%% close with output in the queue
%%

%% With an empty queue close returns; the peer gets everything and the end.
close_without_queue(_Config) ->
    do_with_peer([], fun(S, P) ->
        ok = gen_tcp:send(S, "bye"),
        ok = gen_tcp:close(S),
        {<<"bye">>, closed} = tcp_pairs:peer_recv_all(P)
    end).

%% Close blocks the caller until the queue is empty.
close_waits_for_queue(_Config) ->
    {S, P, Owner} = do_owned_stuck([]),
    Filled = stuck:fill(S),
    Closer = do_ask(Owner, fun() -> gen_tcp:close(S) end),
    waits(Closer),
    {Filled, closed} = tcp_pairs:peer_recv_all(P),
    ok = result(Closer),
    do_end(Owner, P).

%% Whoever calls it.
close_by_another_waits_for_queue(_Config) ->
    stuck:with([], fun(S, P) ->
        Filled = stuck:fill(S),
        Closer = start(fun() -> gen_tcp:close(S) end),
        waits(Closer),
        {Filled, closed} = tcp_pairs:peer_recv_all(P),
        ok = result(Closer)
    end).

%% After five seconds without any progress close returns; a peer
%% that reads after all gets every byte and then the end.
close_gives_up_on_stalled_peer(_Config) ->
    stuck:with([], fun(S, P) ->
        Filled = stuck:fill(S),
        _ = stuck:settled(S),
        ok = gen_tcp:close(S),
        {error, closed} = gen_tcp:send(S, "x"),
        {Filled, closed} = tcp_pairs:peer_recv_all(P)
    end).

%% With `{linger, {true, N}}' it waits no longer than N seconds, here less
%% than a close that began earlier and waits for the same reason without that
%% option; the queue is delivered all the same.
close_lingers_for_a_while(_Config) ->
    stuck:with([], fun(Slow, SlowPeer) ->
        stuck:with([{linger, {true, 1}}], fun(S, P) ->
            SlowFilled = stuck:fill(Slow),
            Filled = stuck:fill(S),
            _ = stuck:settled(S),
            Closer = start(fun() -> gen_tcp:close(Slow) end),
            ok = gen_tcp:close(S),
            waits(Closer),
            {error, closed} = gen_tcp:send(S, "x"),
            {Filled, closed} = tcp_pairs:peer_recv_all(P),
            {SlowFilled, closed} = tcp_pairs:peer_recv_all(SlowPeer),
            ok = result(Closer)
        end)
    end).

%% `{linger, {true, 0}}' resets the connection.
close_with_linger_zero_resets(_Config) ->
    do_with_peer([{linger, {true, 0}}], fun(S, P) ->
        ok = gen_tcp:close(S),
        {<<>>, econnreset} = tcp_pairs:peer_recv_all(P)
    end).

%% With a queue too: it is dropped and close does not wait.
close_with_linger_zero_drops_queue(_Config) ->
    stuck:with([{linger, {true, 0}}], fun(S, P) ->
        Filled = stuck:fill(S),
        ok = gen_tcp:close(S),
        {Got, econnreset} = tcp_pairs:peer_recv_all(P),
        true = byte_size(Got) < ?MEGABYTE,
        {Got, _} = split_binary(Filled, byte_size(Got))
    end).

%% The owner ends, whatever the reason: the peer gets everything and
%% then the end.
owner_exit_flushes_queue(_Config) ->
    [begin
         {S, P, Owner} = do_owned_stuck([]),
         Filled = stuck:fill(S),
         Monitor = monitor(process, Owner),
         End(Owner),
         receive {'DOWN', Monitor, process, Owner, _} -> ok end,
         tcp_pairs:eventually(fun() -> gen_tcp:recv(S, 0, 0) =:= {error, closed} end),
         {error, closed} = gen_tcp:send(S, "x"),
         {Filled, closed} = tcp_pairs:peer_recv_all(P),
         tcp_pairs:peer_reset(P)
     end || End <- [fun(Owner) -> do_ask(Owner, fun() -> exit(normal) end) end,
                    fun(Owner) -> do_ask(Owner, fun() -> exit(crash) end) end,
                    fun(Owner) -> exit(Owner, shutdown) end,
                    fun(Owner) -> exit(Owner, kill) end]],
    ok.

%% With `{linger, {true, 0}}' the queue is dropped.
owner_exit_with_linger_zero_drops_queue(_Config) ->
    {S, P, Owner} = do_owned_stuck([{linger, {true, 0}}]),
    _ = stuck:fill(S),
    kill(Owner),
    {Got, econnreset} = tcp_pairs:peer_recv_all(P),
    true = byte_size(Got) < ?MEGABYTE,
    tcp_pairs:peer_reset(P).

%% Close by the owner removes one tcp_closed of this socket from its
%% mailbox.
close_removes_own_tcp_closed(_Config) ->
    do_with_peer([{active, true}], fun(S, P) ->
        ok = tcp_pairs:peer_shutdown(P, write),
        mailbox:stay([{tcp_closed, S}]),
        ok = gen_tcp:close(S),
        none()
    end).

%% Other messages stay, also a tcp_closed of another socket.
close_leaves_other_messages(_Config) ->
    Opts = [{packet, line}, {active, 1}, {show_econnreset, true}],
    do_with_peer(Opts, fun(S, P) ->
        do_with_peer([{active, true}], fun(S2, P2) ->
            ok = tcp_pairs:peer_send(P, "a\n"),
            Data = [{tcp, S, <<"a\n">>}, {tcp_passive, S}],
            mailbox:stay(Data),
            ok = tcp_pairs:peer_shutdown(P2, write),
            mailbox:stay(Data ++ [{tcp_closed, S2}]),
            ok = inet:setopts(S, [{active, once}]),
            tcp_pairs:peer_reset(P),
            mailbox:stay(Data ++ [{tcp_closed, S2}, {tcp_error, S, econnreset},
                               {tcp_closed, S}]),
            ok = gen_tcp:close(S),
            [{tcp, S, <<"a\n">>}, {tcp_passive, S}, {tcp_closed, S2},
             {tcp_error, S, econnreset}] = tcp_pairs:flush()
        end)
    end).

%% Close is ok any number of times, in any process.
close_twice_and_by_anybody(_Config) ->
    do_with_peer([], fun(S, P) ->
        ok = tcp_pairs:by_another(fun() -> gen_tcp:close(S) end),
        ok = gen_tcp:close(S),
        ok = gen_tcp:close(S),
        ok = inet:close(S),
        ok = tcp_pairs:by_another(fun() -> gen_tcp:close(S) end),
        {<<>>, closed} = tcp_pairs:peer_recv_all(P)
    end).

%% A process that waits in recv gets closed, whoever closes.
close_releases_blocked_recv(_Config) ->
    do_with_peer([], fun(S, _P) ->
        Receiver = start(fun() -> gen_tcp:recv(S, 0) end),
        waits(Receiver),
        ok = gen_tcp:close(S),
        {error, closed} = result(Receiver)
    end),
    do_with_peer([], fun(S, _P) ->
        Case = self(),
        Closer = spawn_link(fun() ->
            receive go -> Case ! {closed, gen_tcp:close(S)} end
        end),
        Closer ! go,
        {error, closed} = gen_tcp:recv(S, 0, 10000),
        receive {closed, ok} -> ok after 5000 -> ct:fail(close_hangs) end
    end).

%% A connection that nobody accepts; closing both ends does not hang.
close_never_accepted_connection(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    {ok, S} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
    ok = gen_tcp:send(S, "hello"),
    %% Else another port program may close the listener before.
    ok = tcp_pairs:acknowledged(S),
    ok = gen_tcp:close(L),
    ok = tcp_pairs:reset_arrived(S),
    {error, closed} = gen_tcp:recv(S, 0, 5000),
    ok = gen_tcp:close(S),
    {L2, Port2} = tcp_pairs:listen(),
    {ok, S2} = gen_tcp:connect({127, 0, 0, 1}, Port2, [binary, {active, false}]),
    ok = gen_tcp:send(S2, "hello"),
    ok = gen_tcp:close(S2),
    ok = gen_tcp:close(L2).

%% Both ends close at the same time, with data under way.
close_both_ends_at_once(_Config) ->
    [begin
         {A, B} = tcp_pairs:pair([{active, once}]),
         ok = gen_tcp:send(A, "x"),
         Closers = [start(fun() -> gen_tcp:close(S) end) || S <- [A, B]],
         [ok = result(Closer) || Closer <- Closers],
         true = tcp_pairs:is_gone(A),
         true = tcp_pairs:is_gone(B)
     end || _ <- lists:seq(1, 20)],
    ok.

%% No call hangs or kills on a socket whose connection is over, and close
%% is ok.
calls_on_husk_return(_Config) ->
    do_with_peer([], fun(S, P) ->
        do_finish(S, P),
        do_calls(S, [{recv, closed}, {send, closed}]),
        ok = inet:setopts(S, [{packet, 4}, {mode, list}, {send_timeout, 10}]),
        {ok, [{packet, 4}, {mode, list}]} = inet:getopts(S, [packet, mode]),
        ok = inet:setopts(S, [{nodelay, true}]),
        {ok, [{recv_cnt, 0}]} = inet:getstat(S, [recv_cnt]),
        do_calls(S, [{send, enotconn}, {recv, enotconn}]),
        {error, enotconn} = gen_tcp:shutdown(S, write),
        {error, einval} = gen_tcp:accept(S, 100),
        ok = gen_tcp:controlling_process(S, self()),
        ok = gen_tcp:close(S)
    end).

%% Nor on one that is closed.
calls_on_gone_return(_Config) ->
    do_with_peer([], fun(S, _P) ->
        ok = gen_tcp:close(S),
        {error, einval} = inet:setopts(S, [{active, true}]),
        {error, einval} = inet:setopts(S, [{active, 0}]),
        {error, einval} = inet:getopts(S, [active]),
        {error, einval} = inet:getstat(S),
        do_calls(S, [{send, closed}, {recv, closed}]),
        {error, closed} = gen_tcp:shutdown(S, write),
        {error, closed} = gen_tcp:controlling_process(S, self()),
        ok = gen_tcp:close(S),
        none()
    end).

%%
%% shutdown
%%

%% Shutdown returns at once and the end follows the last queued byte.
shutdown_write_follows_queue(_Config) ->
    stuck:with([], fun(S, P) ->
        Filled = stuck:fill(S),
        ok = gen_tcp:shutdown(S, write),
        {Filled, closed} = tcp_pairs:peer_recv_all(P),
        ok = tcp_pairs:peer_send(P, "answer"),
        {ok, <<"answer">>} = gen_tcp:recv(S, 6, 5000)
    end).

%% The same for read_write.
shutdown_read_write_follows_queue(_Config) ->
    stuck:with([{exit_on_close, false}], fun(S, P) ->
        Filled = stuck:fill(S),
        ok = gen_tcp:shutdown(S, read_write),
        {Filled, closed} = tcp_pairs:peer_recv_all(P)
    end).

%% A second shutdown is ok, while output is queued and after.
shutdown_write_twice(_Config) ->
    stuck:with([], fun(S, P) ->
        Filled = stuck:fill(S),
        ok = gen_tcp:shutdown(S, write),
        ok = gen_tcp:shutdown(S, write),
        {Filled, closed} = tcp_pairs:peer_recv_all(P),
        ok = gen_tcp:shutdown(S, write)
    end).

%% Reading goes on meanwhile.
shutdown_write_keeps_reading(_Config) ->
    stuck:with([], fun(S, P) ->
        Filled = stuck:fill(S),
        ok = gen_tcp:shutdown(S, write),
        ok = tcp_pairs:peer_send(P, "one"),
        {ok, <<"one">>} = gen_tcp:recv(S, 3, 5000),
        {Filled, closed} = tcp_pairs:peer_recv_all(P),
        ok = tcp_pairs:peer_send(P, "two"),
        {ok, <<"two">>} = gen_tcp:recv(S, 3, 5000),
        do_finish(S, P),
        do_calls(S, [{recv, closed}])
    end).

%% And messages come.
shutdown_write_keeps_messages(_Config) ->
    do_with_peer([{active, true}, {packet, line}], fun(S, P) ->
        ok = gen_tcp:shutdown(S, write),
        {<<>>, closed} = tcp_pairs:peer_recv_all(P),
        ok = tcp_pairs:peer_send(P, "one\ntwo\n"),
        {tcp, S, <<"one\n">>} = next(),
        {tcp, S, <<"two\n">>} = next(),
        ok = tcp_pairs:peer_shutdown(P, write),
        {tcp_closed, S} = next()
    end).

%% A send while the shutdown waits for the queue says closed and
%% destroys the socket, unsent data included.
send_while_shutdown_drains(_Config) ->
    stuck:with([], fun(S, P) ->
        _ = stuck:fill(S),
        ok = gen_tcp:shutdown(S, write),
        do_calls(S, [{send, closed}, {recv, closed}, {recv, enotconn},
                     {send, enotconn}]),
        {Got, _} = tcp_pairs:peer_recv_all(P),
        true = byte_size(Got) < ?MEGABYTE
    end).

%% Armed: tcp_closed, and the socket is gone.
send_while_shutdown_drains_armed(_Config) ->
    stuck:with([{active, true}], fun(S, P) ->
        _ = stuck:fill(S),
        ok = gen_tcp:shutdown(S, write),
        do_calls(S, [{send, closed}]),
        {tcp_closed, S} = next(),
        do_calls(S, [{send, closed}]),
        true = tcp_pairs:is_gone(S),
        {Got, _} = tcp_pairs:peer_recv_all(P),
        true = byte_size(Got) < ?MEGABYTE
    end).

%% Armed with `exit_on_close' false: tcp_closed, and not connected.
send_while_shutdown_drains_half_closed(_Config) ->
    stuck:with([{active, true}, {exit_on_close, false}], fun(S, _P) ->
        _ = stuck:fill(S),
        ok = gen_tcp:shutdown(S, write),
        do_calls(S, [{send, closed}]),
        {tcp_closed, S} = next(),
        do_calls(S, [{send, enotconn}]),
        false = tcp_pairs:is_gone(S),
        none()
    end).

%% A send after a completed shutdown: closed, econnreset with
%% show_econnreset, and the socket is torn down.
send_after_shutdown(_Config) ->
    [do_with_peer([{show_econnreset, Show}], fun(S, P) ->
         ok = gen_tcp:shutdown(S, write),
         {<<>>, closed} = tcp_pairs:peer_recv_all(P),
         do_calls(S, [{send, Reason}, {send, enotconn}, {recv, Reason},
                      {recv, enotconn}])
     end) || {Show, Reason} <- [{false, closed}, {true, econnreset}]],
    ok.

%% Armed: the owner gets tcp_closed, with tcp_error before it if resets are
%% shown.
send_after_shutdown_armed(_Config) ->
    [do_with_peer([{active, once}, {show_econnreset, Show}], fun(S, P) ->
         ok = gen_tcp:shutdown(S, write),
         {<<>>, closed} = tcp_pairs:peer_recv_all(P),
         do_calls(S, [{send, Reason}]),
         [{tcp_error, S, econnreset} = next() || Show],
         {tcp_closed, S} = next(),
         none(),
         true = tcp_pairs:is_gone(S)
     end) || {Show, Reason} <- [{false, closed}, {true, econnreset}]],
    ok.

%% shutdown(read): recv says closed and the whole socket is over.
shutdown_read(_Config) ->
    do_with_peer([], fun(S, _P) ->
        ok = gen_tcp:shutdown(S, read),
        do_calls(S, [{recv, closed}, {recv, enotconn}, {send, closed},
                     {send, enotconn}])
    end).

%% Armed: tcp_closed.
shutdown_read_armed(_Config) ->
    do_with_peer([{active, true}], fun(S, _P) ->
        ok = gen_tcp:shutdown(S, read),
        {tcp_closed, S} = next(),
        do_calls(S, [{send, closed}]),
        none()
    end).

%% With `exit_on_close' false sends continue.
shutdown_read_half_closed(_Config) ->
    do_with_peer([{exit_on_close, false}], fun(S, P) ->
        ok = gen_tcp:shutdown(S, read),
        do_calls(S, [{recv, closed}, {recv, closed}, {send, ok}]),
        <<"x">> = tcp_pairs:peer_recv(P, 1)
    end).

%% A request that ends with the end of the stream and a large
%% answer, both ends on the driver.
half_close_protocol(_Config) ->
    {Client, Server} = tcp_pairs:pair([{exit_on_close, false}, {recbuf, 16384},
                                       {sndbuf, 16384}]),
    Request = stuck:bytes(?MEGABYTE),
    Answer = binary:copy(Request, 2),
    Serving = start(fun() ->
        {Request, closed} = do_recv_all(Server),
        ok = gen_tcp:send(Server, Answer),
        gen_tcp:close(Server)
    end),
    ok = gen_tcp:send(Client, Request),
    ok = gen_tcp:shutdown(Client, write),
    {Answer, closed} = do_recv_all(Client),
    ok = result(Serving),
    ok = gen_tcp:close(Client).

%% The same with a server that is armed.
half_close_protocol_armed(_Config) ->
    do_with_peer([{active, true}, {exit_on_close, false}], fun(S, P) ->
        ok = tcp_pairs:peer_send(P, "request"),
        ok = tcp_pairs:peer_shutdown(P, write),
        <<"request">> = do_gather_until_closed(S),
        Answer = stuck:bytes(?MEGABYTE),
        ok = gen_tcp:send(S, Answer),
        Closer = start(fun() -> gen_tcp:close(S) end),
        {Answer, closed} = tcp_pairs:peer_recv_all(P),
        ok = result(Closer)
    end).

%% By default there is nothing left to answer on.
half_close_needs_exit_on_close_false(_Config) ->
    do_with_peer([{active, true}], fun(S, P) ->
        ok = tcp_pairs:peer_shutdown(P, write),
        {tcp_closed, S} = next(),
        do_calls(S, [{send, closed}]),
        {<<>>, closed} = tcp_pairs:peer_recv_all(P)
    end).

%% Close after a shutdown that still waits for the queue.
close_after_shutdown(_Config) ->
    stuck:with([], fun(S, P) ->
        Filled = stuck:fill(S),
        ok = gen_tcp:shutdown(S, write),
        Closer = start(fun() -> gen_tcp:close(S) end),
        {Filled, closed} = tcp_pairs:peer_recv_all(P),
        ok = result(Closer)
    end).

%%
%% Calls
%%

%% Makes the calls one after another and compares all results at once.
do_calls(S, Calls) ->
    Expected = [{Call, do_expected(Result)} || {Call, Result} <- Calls],
    case [{Call, do_call(S, Call)} || {Call, _} <- Calls] of
        Expected -> ok;
        Results -> ct:fail({expected, Expected, got, Results})
    end.

do_expected(ok) -> ok;
do_expected(Reason) -> {error, Reason}.

do_call(S, send) -> gen_tcp:send(S, "x");
do_call(S, recv) -> gen_tcp:recv(S, 0, 5000).

do_recv_all(S) ->
    do_recv_all(S, []).

do_recv_all(S, Got) ->
    case gen_tcp:recv(S, 0, 10000) of
        {ok, Data} -> do_recv_all(S, [Got, Data]);
        {error, Reason} -> {iolist_to_binary(Got), Reason}
    end.

%%
%% Sockets with a plain peer
%%

%% Returns ok, because Common Test prints what a case returns.
do_with_peer(Opts, Fun) ->
    tcp_pairs:with(tcp_pairs:connect_to_peer(Opts), Fun).

%% The same, with an owner that is not the case and does what it is asked.
do_owned_stuck(Opts) ->
    {S, P} = stuck:pair(Opts),
    Owner = spawn(fun do_serve/0),
    ok = gen_tcp:controlling_process(S, Owner),
    {S, P, Owner}.

do_serve() ->
    receive {ask, From, Ref, Fun} -> From ! {Ref, Fun()} end,
    do_serve().

do_ask(Owner, Fun) ->
    Ref = make_ref(),
    Owner ! {ask, self(), Ref, Fun},
    {Owner, Ref}.

do_end(Owner, P) ->
    kill(Owner),
    tcp_pairs:peer_reset(P).

%% Waits until the queue has been dropped because writing it failed.
do_released(S) ->
    tcp_pairs:eventually(fun() ->
        inet:getstat(S, [send_pend]) =:= {ok, [{send_pend, 0}]}
    end).

%% Ends the stream of the peer; returns when the kernel of S knows.
do_finish(S, P) ->
    ok = tcp_pairs:peer_shutdown(P, write),
    ok = tcp_pairs:eof_arrived(S).

%% Resets; returns when the kernel of S knows.
do_reset(S, P) ->
    tcp_pairs:peer_reset(P),
    ok = tcp_pairs:reset_arrived(S).

%%
%% Messages and processes
%%

do_gather_until_closed(S) ->
    receive
        {tcp, S, Data} -> <<Data/binary, (do_gather_until_closed(S))/binary>>;
        {tcp_closed, S} -> <<>>
    after 10000 ->
        ct:fail(no_tcp_closed)
    end.
