%% @doc What arrives in the owner's mailbox, in every `active' mode: the shapes
%% of the messages, their number and order, the arithmetic of `{active, N}',
%% and what a socket does that is armed when input is already there.
%%
%% The peer is a plain `socket', so that the driver under test is on one side
%% only and bytes enter the wire exactly as a case writes them. Where a case
%% looks at one message it uses a packet mode or a single byte: where raw
%% input is cut into chunks is not promised.
-module(active_SUITE).

-export([all/0, groups/0, suite/0, init_per_group/2, end_per_group/2]).
-export([data_in_list_and_binary_mode/1, header_splits_binaries/1,
         header_is_ignored_in_list_mode/1, mode_applies_at_delivery/1,
         header_applies_at_delivery/1, http_items/1, http_bin_items/1,
         httph_items/1, ssl_tls_records/1, deliver_port_data/1,
         deliver_port_header/1, deliver_port_leaves_http_unparsed/1,
         deliver_port_leaves_ssl_unparsed/1, framing_error_messages/1,
         framing_error_messages_for_once/1, framing_error_messages_for_count/1,
         reset_messages/1]).
-export([true_sends_every_packet/1, true_sends_every_byte/1,
         once_sends_one_packet/1, once_reads_once_while_waiting/1,
         once_notices_end_of_stream/1, once_notices_reset/1,
         nothing_after_once/1, nothing_after_count/1, passive_sends_nothing/1,
         count_ends_with_tcp_passive/1, count_counts_http_items/1,
         count_counts_ssl_records/1, count_counts_port_deliveries/1,
         count_ignores_tcp_closed/1, count_ignores_tcp_error/1,
         empty_packets_count/1, local_close_sends_nothing/1,
         close_by_another_sends_nothing/1, closed_comes_last/1,
         partial_packet_is_dropped_at_end/1, gone_after_closed/1,
         open_after_closed_without_exit_on_close/1,
         rearming_does_not_repeat_closed/1, arming_after_end_of_stream/1,
         arming_count_after_end_of_stream/1, arming_after_reported_end/1,
         messages_go_to_owner_not_to_setter/1, zero_in_connect_options/1,
         zero_in_listen_options/1, zero_on_listener/1,
         negative_on_listener/1, listener_sends_nothing/1,
         late_framing_error/1, late_framing_error_at_end/1]).
-export([count_arithmetic/1, count_refusals/1, refused_count_changes_nothing/1,
         refused_in_connect_and_listen/1, several_counts_in_one_call/1,
         last_entry_is_applied_first/1, zero_repeats_tcp_passive/1,
         count_reads_what_is_left/1, forgotten_count_sends_no_tcp_passive/1,
         count_is_inherited_not_consumed/1, modes_are_inherited/1,
         count_added_while_running/1]).
-export([once_finds_byte_in_kernel/1, count_finds_byte_in_kernel/1,
         once_finds_packet_in_kernel/1, once_finds_buffered_packet/1,
         once_takes_one_buffered_packet/1, count_takes_one_buffered_packet/1,
         once_finds_end_of_stream/1, count_finds_end_of_stream/1,
         once_finds_reset/1, once_finds_unread_bytes/1,
         true_finds_buffered_packets/1, true_finds_kernel_input/1,
         packet_change_finds_buffered_packet/1, packet_change_while_armed/1,
         passive_means_silence/1, passive_keeps_partial_packet/1,
         toggling_loses_nothing/1, once_pump_loses_nothing/1,
         count_pump_loses_nothing/1, recv_between_once/1,
         accepted_socket_is_armed_at_once/1]).

-import(mailbox, [next/0, next_now/0, none/0]).

suite() ->
    [{timetrap, {seconds, 30}}].

all() ->
    driver_groups:all().

groups() ->
    driver_groups:groups(cases()).

init_per_group(Group, Config) ->
    driver_groups:init(Group, Config).

end_per_group(Group, Config) ->
    driver_groups:done(Group, Config).

cases() ->
    [data_in_list_and_binary_mode, header_splits_binaries,
     header_is_ignored_in_list_mode, mode_applies_at_delivery,
     header_applies_at_delivery, http_items, http_bin_items, httph_items,
     ssl_tls_records, deliver_port_data, deliver_port_header,
     deliver_port_leaves_http_unparsed, deliver_port_leaves_ssl_unparsed,
     framing_error_messages, framing_error_messages_for_once,
     framing_error_messages_for_count, reset_messages,

     true_sends_every_packet, true_sends_every_byte, once_sends_one_packet,
     once_reads_once_while_waiting, once_notices_end_of_stream,
     once_notices_reset, nothing_after_once, nothing_after_count,
     passive_sends_nothing, count_ends_with_tcp_passive,
     count_counts_http_items, count_counts_ssl_records,
     count_counts_port_deliveries, count_ignores_tcp_closed,
     count_ignores_tcp_error, empty_packets_count, local_close_sends_nothing,
     close_by_another_sends_nothing, closed_comes_last,
     partial_packet_is_dropped_at_end, gone_after_closed,
     open_after_closed_without_exit_on_close, rearming_does_not_repeat_closed,
     arming_after_end_of_stream, arming_count_after_end_of_stream,
     arming_after_reported_end, messages_go_to_owner_not_to_setter,
     zero_in_connect_options, zero_in_listen_options, zero_on_listener,
     negative_on_listener, listener_sends_nothing, late_framing_error,
     late_framing_error_at_end,

     count_arithmetic, count_refusals, refused_count_changes_nothing,
     refused_in_connect_and_listen, several_counts_in_one_call,
     last_entry_is_applied_first, zero_repeats_tcp_passive,
     count_reads_what_is_left, forgotten_count_sends_no_tcp_passive,
     count_is_inherited_not_consumed, modes_are_inherited,
     count_added_while_running,

     once_finds_byte_in_kernel, count_finds_byte_in_kernel,
     once_finds_packet_in_kernel, once_finds_buffered_packet,
     once_takes_one_buffered_packet, count_takes_one_buffered_packet,
     once_finds_end_of_stream, count_finds_end_of_stream, once_finds_reset,
     once_finds_unread_bytes, true_finds_buffered_packets,
     true_finds_kernel_input, packet_change_finds_buffered_packet,
     packet_change_while_armed, passive_means_silence,
     passive_keeps_partial_packet, toggling_loses_nothing,
     once_pump_loses_nothing, count_pump_loses_nothing, recv_between_once,
     accepted_socket_is_armed_at_once].

%%
%% Shapes
%%

%% Data is a list by default and a binary in binary mode, on a connected
%% and on an accepted socket.
data_in_list_and_binary_mode(_Config) ->
    do_both_ends([{packet, 1}], fun(S, P) ->
        do_send(P, <<3, "abc">>),
        {tcp, S, "abc"} = next(),
        ok = inet:setopts(S, [binary]),
        do_send(P, <<3, "def">>),
        {tcp, S, <<"def">>} = next(),
        ok = inet:setopts(S, [list]),
        do_send(P, <<3, "ghi">>),
        {tcp, S, "ghi"} = next()
    end).

%% `{header, H}' makes H list elements with the rest as binary tail; a
%% packet shorter than H is a plain list, in messages and in recv.
header_splits_binaries(_Config) ->
    do_with_pair([binary, {packet, 1}, {header, 2}], fun(S, P) ->
        do_send(P, <<3, "abc", 2, "ab", 1, "a", 0>>),
        {tcp, S, [$a, $b | <<"c">>]} = next(),
        {tcp, S, [$a, $b | <<>>]} = next(),
        {tcp, S, "a"} = next(),
        {tcp, S, []} = next(),
        ok = inet:setopts(S, [{active, false}]),
        do_send(P, <<3, "abc", 2, "ab", 1, "a">>),
        {ok, [$a, $b | <<"c">>]} = gen_tcp:recv(S, 0, 5000),
        {ok, [$a, $b | <<>>]} = gen_tcp:recv(S, 0, 5000),
        {ok, "a"} = gen_tcp:recv(S, 0, 5000)
    end).

%% `header' has no effect in list mode.
header_is_ignored_in_list_mode(_Config) ->
    do_with_pair([list, {packet, 1}, {header, 2}], fun(S, P) ->
        do_send(P, <<3, "abc">>),
        {tcp, S, "abc"} = next(),
        ok = inet:setopts(S, [{active, false}]),
        do_send(P, <<3, "abc">>),
        {ok, "abc"} = gen_tcp:recv(S, 0, 5000)
    end).

%% A switch of mode affects packets that have been read but not delivered.
mode_applies_at_delivery(_Config) ->
    do_with_pair([list, {packet, 1}, {active, once}], fun(S, P) ->
        do_send(P, <<1, "a", 1, "b", 1, "c">>),
        {tcp, S, "a"} = next(),
        ok = inet:setopts(S, [binary, {active, once}]),
        {tcp, S, <<"b">>} = next(),
        ok = inet:setopts(S, [list]),
        {ok, "c"} = gen_tcp:recv(S, 0, 5000)
    end).

%% The same for `header'.
header_applies_at_delivery(_Config) ->
    do_with_pair([binary, {packet, 1}, {active, once}], fun(S, P) ->
        do_send(P, <<2, "ab", 2, "cd", 2, "ef">>),
        {tcp, S, <<"ab">>} = next(),
        ok = inet:setopts(S, [{header, 1}, {active, once}]),
        {tcp, S, [$c | <<"d">>]} = next(),
        ok = inet:setopts(S, [{header, 0}]),
        {ok, <<"ef">>} = gen_tcp:recv(S, 0, 5000)
    end).

%% `{http, S, Item}' for `{packet, http}'; strings are lists, and binary
%% mode does not change that.
http_items(_Config) ->
    do_with_pair([binary, {packet, http}], fun(S, P) ->
        do_send(P, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"),
        {http, S, {http_request, 'GET', {abs_path, "/x"}, {1, 1}}} = next(),
        {http, S, {http_header, 14, 'Host', _, "h"}} = next(),
        {http, S, http_eoh} = next(),
        do_send(P, "HTTP/1.0 200 OK\r\n"),
        {http, S, {http_response, {1, 0}, 200, "OK"}} = next()
    end).

%% http_bin has the same tag and binaries for strings, in list mode too.
http_bin_items(_Config) ->
    do_with_pair([list, {packet, http_bin}], fun(S, P) ->
        do_send(P, "GET /x HTTP/1.1\r\nX-Foo: h\r\n\r\n"),
        {http, S, {http_request, 'GET', {abs_path, <<"/x">>}, {1, 1}}} = next(),
        {http, S, {http_header, 0, <<"X-Foo">>, _, <<"h">>}} = next(),
        {http, S, http_eoh} = next()
    end).

%% httph and httph_bin have the tag `http' as well.
httph_items(_Config) ->
    do_with_pair([{packet, httph}], fun(S, P) ->
        do_send(P, "Host: h\r\n\r\n"),
        {http, S, {http_header, 14, 'Host', _, "h"}} = next(),
        {http, S, http_eoh} = next(),
        ok = inet:setopts(S, [{packet, httph_bin}]),
        do_send(P, "Host: h\r\n\r\n"),
        {http, S, {http_header, 14, 'Host', _, <<"h">>}} = next(),
        {http, S, http_eoh} = next()
    end).

%% `{ssl_tls, S, Type, Version, Data}' with binary data in list mode too.
ssl_tls_records(_Config) ->
    do_with_pair([list, {packet, ssl_tls}], fun(S, P) ->
        do_send(P, <<22, 3, 1, 3:16, "abc", 23, 3, 3, 2:16, "de">>),
        {ssl_tls, S, 22, {3, 1}, <<"abc">>} = next(),
        {ssl_tls, S, 23, {3, 3}, <<"de">>} = next()
    end).

%% `{deliver, port}' sends `{S, {data, Data}}', in the same forms of data.
deliver_port_data(_Config) ->
    do_with_pair([{packet, 1}, {deliver, port}], fun(S, P) ->
        do_send(P, <<2, "ab">>),
        {S, {data, "ab"}} = next(),
        ok = inet:setopts(S, [binary]),
        do_send(P, <<2, "cd">>),
        {S, {data, <<"cd">>}} = next(),
        ok = inet:setopts(S, [{deliver, term}]),
        do_send(P, <<2, "ef">>),
        {tcp, S, <<"ef">>} = next(),
        ok = inet:setopts(S, [{deliver, port}]),
        do_finish(P),
        {tcp_closed, S} = next()
    end).

%% `{header, H}' applies to `{S, {data, Data}}' too.
deliver_port_header(_Config) ->
    Opts = [binary, {packet, 1}, {deliver, port}, {header, 1}],
    do_with_pair(Opts, fun(S, P) ->
        do_send(P, <<2, "ab", 0>>),
        {S, {data, [$a | <<"b">>]}} = next(),
        {S, {data, []}} = next()
    end).

%% With `{deliver, port}' http is not parsed: lines come through, each
%% part of a folded header as a line of its own.
deliver_port_leaves_http_unparsed(_Config) ->
    do_with_pair([binary, {packet, http}, {deliver, port}], fun(S, P) ->
        do_send(P, "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n"),
        {S, {data, <<"GET / HTTP/1.1\r\n">>}} = next(),
        {S, {data, <<"A: b\r\n">>}} = next(),
        {S, {data, <<" c\r\n">>}} = next(),
        {S, {data, <<"\r\n">>}} = next()
    end).

%% With `{deliver, port}' an ssl record comes through as it is.
deliver_port_leaves_ssl_unparsed(_Config) ->
    do_with_pair([binary, {packet, ssl_tls}, {deliver, port}], fun(S, P) ->
        do_send(P, <<22, 3, 1, 3:16, "abc">>),
        {S, {data, <<22, 3, 1, 3:16, "abc">>}} = next()
    end).

%% A framing error is tcp_error and then at once tcp_closed.
framing_error_messages(_Config) ->
    do_with_pair([{packet, 1}, {packet_size, 2}], fun(S, P) ->
        do_send(P, <<3, "abc">>),
        {tcp_error, S, emsgsize} = next(),
        {tcp_closed, S} = next(),
        none(),
        {error, closed} = gen_tcp:send(S, "x")
    end).

%% Both messages of an error are sent to a socket that waits in `once'.
framing_error_messages_for_once(_Config) ->
    Opts = [{packet, 1}, {packet_size, 2}, {active, once}],
    do_with_pair(Opts, fun(S, P) ->
        do_send(P, <<3, "abc">>),
        {tcp_error, S, emsgsize} = next(),
        {tcp_closed, S} = next(),
        none()
    end).

%% An error is not counted, so no tcp_passive with it.
framing_error_messages_for_count(_Config) ->
    Opts = [{packet, 1}, {packet_size, 2}, {active, 1}],
    do_with_pair(Opts, fun(S, P) ->
        do_send(P, <<3, "abc">>),
        {tcp_error, S, emsgsize} = next(),
        {tcp_closed, S} = next(),
        none()
    end).

%% A reset is tcp_closed alone, and has a tcp_error of econnreset in
%% front of it only with show_econnreset; true, once and a count alike.
reset_messages(_Config) ->
    lists:foreach(fun(Active) ->
        do_with_pair([{active, Active}], fun(S, P) ->
            tcp_pairs:peer_reset(P),
            {tcp_closed, S} = next(),
            none()
        end),
        Opts = [{active, Active}, {show_econnreset, true}],
        do_with_pair(Opts, fun(S, P) ->
            tcp_pairs:peer_reset(P),
            {tcp_error, S, econnreset} = next(),
            {tcp_closed, S} = next(),
            none()
        end)
    end, [true, once, 1]).

%%
%% How many, and in which order
%%

%% `true' sends a message for each packet, then tcp_closed.
true_sends_every_packet(_Config) ->
    do_both_ends([binary, {packet, 2}, {active, true}], fun(S, P) ->
        Count = 300,
        do_send(P, [<<2:16, I:16>> || I <- lists:seq(1, Count)]),
        do_finish(P),
        [{tcp, S, <<I:16>>} = next() || I <- lists:seq(1, Count)],
        {tcp_closed, S} = next(),
        none()
    end).

%% A raw stream arrives whole and in order, however it is cut.
true_sends_every_byte(_Config) ->
    do_with_pair([binary, {active, true}], fun(S, P) ->
        Data = rand:bytes(1000000),
        spawn_link(fun() -> do_send(P, Data), do_finish(P) end),
        Data = do_gather(S, byte_size(Data)),
        {tcp_closed, S} = next()
    end).

%% `once' sends exactly one data message, then the socket is passive.
once_sends_one_packet(_Config) ->
    do_both_ends([{packet, 1}, {active, once}], fun(S, P) ->
        do_send(P, <<1, "a", 1, "b">>),
        {tcp, S, "a"} = next(),
        {ok, [{active, false}]} = inet:getopts(S, [active]),
        none(),
        {ok, "b"} = gen_tcp:recv(S, 0, 5000)
    end).

%% While nothing arrived it reads `once', and setting it again does not
%% add a second message.
once_reads_once_while_waiting(_Config) ->
    do_with_pair([{packet, 1}, {active, once}], fun(S, P) ->
        {ok, [{active, once}]} = inet:getopts(S, [active]),
        ok = inet:setopts(S, [{active, once}]),
        ok = inet:setopts(S, [{active, once}]),
        {ok, [{active, once}]} = inet:getopts(S, [active]),
        do_send(P, <<1, "a", 1, "b">>),
        {tcp, S, "a"} = next(),
        none(),
        {ok, [{active, false}]} = inet:getopts(S, [active])
    end).

%% tcp_closed needs no data message first.
once_notices_end_of_stream(_Config) ->
    do_with_pair([{active, once}], fun(S, P) ->
        do_finish(P),
        {tcp_closed, S} = next(),
        none()
    end).

%% Nor does the pair of messages for a reset.
once_notices_reset(_Config) ->
    Opts = [{active, once}, {show_econnreset, true}],
    do_with_pair(Opts, fun(S, P) ->
        tcp_pairs:peer_reset(P),
        {tcp_error, S, econnreset} = next(),
        {tcp_closed, S} = next(),
        none()
    end).

%% After `once' fired nothing comes, not even tcp_closed, until the
%% socket is armed again.
nothing_after_once(_Config) ->
    do_with_pair([{packet, 1}, {active, once}], fun(S, P) ->
        do_send(P, <<1, "a">>),
        {tcp, S, "a"} = next(),
        do_send(P, <<1, "b">>),
        do_finish(P),
        none(),
        ok = inet:setopts(S, [{active, once}]),
        {tcp, S, "b"} = next(),
        none(),
        ok = inet:setopts(S, [{active, once}]),
        {tcp_closed, S} = next()
    end).

%% The same when a count has run out.
nothing_after_count(_Config) ->
    do_with_pair([{packet, 1}, {active, 2}], fun(S, P) ->
        do_send(P, <<1, "a", 1, "b", 1, "c">>),
        do_finish(P),
        {tcp, S, "a"} = next(),
        {tcp, S, "b"} = next(),
        {tcp_passive, S} = next(),
        none(),
        ok = inet:setopts(S, [{active, 2}]),
        {tcp, S, "c"} = next(),
        {tcp_closed, S} = next(),
        none()
    end).

%% A passive socket sends nothing, also at the end of the stream, which
%% only recv notices.
passive_sends_nothing(_Config) ->
    do_with_pair([{packet, 1}, {active, false}], fun(S, P) ->
        do_send(P, <<1, "a">>),
        do_finish(P),
        none(),
        {ok, [{active, false}]} = inet:getopts(S, [active]),
        {ok, "a"} = gen_tcp:recv(S, 0, 5000),
        {error, closed} = gen_tcp:recv(S, 0, 5000),
        none()
    end).

%% The count reaches 0 and tcp_passive follows the last packet.
count_ends_with_tcp_passive(_Config) ->
    do_both_ends([{packet, 1}, {active, 3}], fun(S, P) ->
        do_send(P, <<1, "a", 1, "b", 1, "c", 1, "d">>),
        {tcp, S, "a"} = next(),
        {tcp, S, "b"} = next(),
        {tcp, S, "c"} = next(),
        {tcp_passive, S} = next(),
        {ok, [{active, false}]} = inet:getopts(S, [active]),
        none(),
        {ok, "d"} = gen_tcp:recv(S, 0, 5000)
    end).

%% Every http item counts.
count_counts_http_items(_Config) ->
    do_with_pair([{packet, http}, {active, 2}], fun(S, P) ->
        do_send(P, "GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n"),
        {http, S, {http_request, 'GET', _, _}} = next(),
        {http, S, {http_header, _, 'Host', _, "h"}} = next(),
        {tcp_passive, S} = next(),
        none(),
        {ok, {http_header, _, 'Host', _, "i"}} = gen_tcp:recv(S, 0, 5000)
    end).

%% Every ssl record counts.
count_counts_ssl_records(_Config) ->
    do_with_pair([{packet, ssl_tls}, {active, 2}], fun(S, P) ->
        do_send(P, [<<23, 3, 1, 1:16, I>> || I <- "abc"]),
        {ssl_tls, S, 23, {3, 1}, <<"a">>} = next(),
        {ssl_tls, S, 23, {3, 1}, <<"b">>} = next(),
        {tcp_passive, S} = next(),
        none()
    end).

%% Every `{S, {data, _}}' counts.
count_counts_port_deliveries(_Config) ->
    do_with_pair([{packet, 1}, {deliver, port}, {active, 2}], fun(S, P) ->
        do_send(P, <<1, "a", 1, "b">>),
        {S, {data, "a"}} = next(),
        {S, {data, "b"}} = next(),
        {tcp_passive, S} = next(),
        none()
    end).

%% tcp_closed does not count: no tcp_passive at the end of the stream.
count_ignores_tcp_closed(_Config) ->
    do_with_pair([{packet, 1}, {active, 2}], fun(S, P) ->
        do_send(P, <<1, "a">>),
        do_finish(P),
        {tcp, S, "a"} = next(),
        {tcp_closed, S} = next(),
        none()
    end).

%% Nor does tcp_error; with `exit_on_close' false the count is still there.
count_ignores_tcp_error(_Config) ->
    Opts = [{active, 2}, {show_econnreset, true}, {exit_on_close, false}],
    do_with_pair(Opts, fun(S, P) ->
        tcp_pairs:peer_reset(P),
        {tcp_error, S, econnreset} = next(),
        {tcp_closed, S} = next(),
        {ok, [{active, 2}]} = inet:getopts(S, [active]),
        none()
    end).

%% Packets without content are messages like any other.
empty_packets_count(_Config) ->
    do_with_pair([binary, {packet, 4}, {active, 2}], fun(S, P) ->
        do_send(P, <<0:32, 0:32, 1:32, "x">>),
        {tcp, S, <<>>} = next(),
        {tcp, S, <<>>} = next(),
        {tcp_passive, S} = next(),
        {ok, <<"x">>} = gen_tcp:recv(S, 0, 5000)
    end).

%% Close by the owner sends nothing in any mode.
local_close_sends_nothing(_Config) ->
    lists:foreach(fun(Active) ->
        do_with_pair([{active, Active}], fun(S, _P) ->
            ok = gen_tcp:close(S),
            none()
        end)
    end, [true, once, 5, false]).

%% Nor does close by another process.
close_by_another_sends_nothing(_Config) ->
    lists:foreach(fun(Active) ->
        do_with_pair([{active, Active}], fun(S, _P) ->
            ok = tcp_pairs:by_another(fun() -> gen_tcp:close(S) end),
            none(),
            {error, closed} = gen_tcp:send(S, "x")
        end)
    end, [true, once, 5, false]).

%% Whatever is sent before the end comes before tcp_closed, and nothing
%% comes after it, in any packet mode.
closed_comes_last(_Config) ->
    Cases = [{line, ["a\n", "b\n"]}, {4, [<<1:32, "a">>, <<1:32, "b">>]},
             {asn1, [<<4, 1, "a">>, <<4, 1, "b">>]}],
    lists:foreach(fun({Packet, [A, B]}) ->
        do_with_pair([{packet, Packet}, {active, true}], fun(S, P) ->
            do_send(P, [A, B]),
            do_finish(P),
            {tcp, S, _} = next(),
            {tcp, S, _} = next(),
            {tcp_closed, S} = next(),
            none()
        end)
    end, Cases).

%% An incomplete packet at the end of the stream is dropped without a
%% word.
partial_packet_is_dropped_at_end(_Config) ->
    Cases = [{4, <<3:32, "abc">>, <<9:32, "abc">>}, {4, <<0:32>>, <<0:24>>},
             {line, "abc\n", "abc"}, {tpkt, <<3, 0, 5:16, "a">>, <<3, 0, 5:16>>}],
    lists:foreach(fun({Packet, Whole, Part}) ->
        do_with_pair([{packet, Packet}, {active, true}], fun(S, P) ->
            do_send(P, [Whole, Part]),
            do_finish(P),
            {tcp, S, _} = next(),
            {tcp_closed, S} = next(),
            none()
        end)
    end, Cases).

%% After tcp_closed the socket is gone.
gone_after_closed(_Config) ->
    do_both_ends([{active, true}], fun(S, P) ->
        do_finish(P),
        {tcp_closed, S} = next(),
        {error, closed} = gen_tcp:send(S, "x"),
        {error, closed} = gen_tcp:recv(S, 0, 1000),
        {error, einval} = inet:setopts(S, [{active, true}]),
        {error, einval} = inet:getopts(S, [active]),
        {error, einval} = inet:peername(S),
        ok = gen_tcp:close(S)
    end).

%% With `exit_on_close' false it stays open, keeps its active value, and
%% can send.
open_after_closed_without_exit_on_close(_Config) ->
    lists:foreach(fun(Active) ->
        Opts = [{active, Active}, {exit_on_close, false}],
        do_with_pair(Opts, fun(S, P) ->
            do_finish(P),
            {tcp_closed, S} = next(),
            {ok, [{active, Active}]} = inet:getopts(S, [active]),
            ok = gen_tcp:send(S, "half"),
            {ok, <<"half">>} = socket:recv(P, 4, 5000),
            {ok, _} = inet:peername(S),
            none()
        end)
    end, [true, once, 7]).

%% Arming such a socket again does not repeat tcp_closed.
rearming_does_not_repeat_closed(_Config) ->
    do_with_pair([{active, once}, {exit_on_close, false}], fun(S, P) ->
        do_finish(P),
        {tcp_closed, S} = next(),
        ok = inet:setopts(S, [{active, false}]),
        ok = inet:setopts(S, [{active, once}]),
        ok = inet:setopts(S, [{active, true}]),
        none(),
        ok = gen_tcp:send(S, "half"),
        {ok, <<"half">>} = socket:recv(P, 4, 5000)
    end).

%% The stream ended while the socket was passive: arming it sends what
%% had arrived and then tcp_closed.
arming_after_end_of_stream(_Config) ->
    lists:foreach(fun(Active) ->
        do_with_pair([{active, false}], fun(S, P) ->
            do_finish(P),
            ok = inet:setopts(S, [{active, Active}]),
            {tcp_closed, S} = next(),
            none()
        end)
    end, [true, once, 1]),
    do_with_pair([{packet, 1}, {active, false}], fun(S, P) ->
        do_send(P, <<1, "a">>),
        do_finish(P),
        ok = inet:setopts(S, [{active, true}]),
        {tcp, S, "a"} = next(),
        {tcp_closed, S} = next(),
        none()
    end).

%% With `{active, 1}': the packet, tcp_passive, and tcp_closed only when
%% the socket is armed again.
arming_count_after_end_of_stream(_Config) ->
    do_with_pair([{packet, 1}, {active, false}], fun(S, P) ->
        do_send(P, <<1, "a">>),
        do_finish(P),
        ok = inet:setopts(S, [{active, 1}]),
        {tcp, S, "a"} = next(),
        {tcp_passive, S} = next(),
        none(),
        ok = inet:setopts(S, [{active, 1}]),
        {tcp_closed, S} = next(),
        none()
    end).

%% recv has already reported the end; arming still sends tcp_closed, once.
arming_after_reported_end(_Config) ->
    lists:foreach(fun(Active) ->
        do_with_pair([{active, false}], fun(S, P) ->
            do_finish(P),
            {error, closed} = gen_tcp:recv(S, 0, 5000),
            none(),
            ok = inet:setopts(S, [{active, Active}]),
            {tcp_closed, S} = next(),
            none(),
            {error, closed} = gen_tcp:send(S, "x")
        end)
    end, [true, once, 1]).

%% Another process arms the socket; the message goes to the owner.
messages_go_to_owner_not_to_setter(_Config) ->
    do_with_pair([{packet, 1}, {active, false}], fun(S, P) ->
        [ok = tcp_pairs:by_another(fun() ->
             do_send(P, <<1, "a">>),
             Result = inet:setopts(S, [{active, Active}]),
             none(),
             Result
         end) || Active <- [once, 1]],
        {tcp, S, "a"} = next(),
        {tcp, S, "a"} = next(),
        {tcp_passive, S} = next(),
        none()
    end).

%% `{active, 0}' among the options of connect sends tcp_passive.
zero_in_connect_options(_Config) ->
    lists:foreach(fun(N) ->
        do_with_pair([{active, N}], fun(S, _P) ->
            {tcp_passive, S} = next(),
            {ok, [{active, false}]} = inet:getopts(S, [active]),
            none()
        end)
    end, [0, -1, -32768]).

%% `{active, 0}' among the options of listen sends one for the listener;
%% the accepted socket is passive and sends none.
zero_in_listen_options(_Config) ->
    {ok, L} = do_listen([{active, 0}]),
    {tcp_passive, L} = next(),
    P = do_dial(L),
    {ok, S} = gen_tcp:accept(L, 5000),
    {ok, [{active, false}]} = inet:getopts(S, [active]),
    do_send(P, "x"),
    none(),
    {ok, "x"} = gen_tcp:recv(S, 1, 5000),
    tcp_pairs:peer_reset(P),
    ok = gen_tcp:close(S),
    ok = gen_tcp:close(L),
    none().

%% So does every `{active, 0}' that is set on a listener.
zero_on_listener(_Config) ->
    {ok, L} = do_listen([{active, true}]),
    ok = inet:setopts(L, [{active, 0}]),
    {tcp_passive, L} = next(),
    ok = inet:setopts(L, [{active, 0}]),
    {tcp_passive, L} = next(),
    {ok, [{active, false}]} = inet:getopts(L, [active]),
    ok = inet:setopts(L, [{active, false}]),
    none(),
    ok = gen_tcp:close(L).

%% A negative number on a listener does the same.
negative_on_listener(_Config) ->
    {ok, L} = do_listen([{active, false}]),
    ok = inet:setopts(L, [{active, -3}]),
    {tcp_passive, L} = next(),
    ok = inet:setopts(L, [{active, 3}]),
    {ok, [{active, 3}]} = inet:getopts(L, [active]),
    ok = inet:setopts(L, [{active, -3}]),
    {tcp_passive, L} = next(),
    none(),
    ok = gen_tcp:close(L).

%% Otherwise a listener sends nothing, whatever arrives at it.
listener_sends_nothing(_Config) ->
    {ok, L} = do_listen([{active, true}]),
    P = do_dial(L),
    do_send(P, "x"),
    none(),
    ok = inet:setopts(L, [{active, once}]),
    none(),
    tcp_pairs:peer_reset(P),
    none(),
    ok = gen_tcp:close(L),
    none().

%% A framing error right behind a good packet in the same read is
%% reported when there is something to read again.
late_framing_error(_Config) ->
    do_with_pair([{packet, tpkt}, {active, true}], fun(S, P) ->
        do_send(P, <<3, 0, 5:16, "a", 9, 9, 9, 9>>),
        {tcp, S, [3, 0, 0, 5, $a]} = next(),
        none(),
        do_send(P, "x"),
        {tcp_error, S, emsgsize} = next(),
        {tcp_closed, S} = next(),
        none()
    end).

%% The end of the stream is such an event.
late_framing_error_at_end(_Config) ->
    do_with_pair([{packet, tpkt}, {active, true}], fun(S, P) ->
        do_send(P, <<3, 0, 5:16, "a", 9, 9, 9, 9>>),
        {tcp, S, [3, 0, 0, 5, $a]} = next(),
        do_finish(P),
        case next() of
            {tcp_error, S, emsgsize} -> {tcp_closed, S} = next();
            {tcp_closed, S} -> ct:fail(error_was_not_reported)
        end,
        none()
    end).

%%
%% The arithmetic of {active, N}
%%

%% From every start, each setting gives the value and the number of
%% tcp_passive messages of the table.
count_arithmetic(_Config) ->
    Rows = [{false, 3, 3, 0}, {true, 3, 3, 0}, {once, 3, 3, 0},
            {5, 3, 8, 0}, {5, -2, 3, 0}, {3, 0, 3, 0}, {3, 32764, 32767, 0},
            {false, 32767, 32767, 0},
            {false, 0, false, 1}, {true, 0, false, 1}, {once, 0, false, 1},
            {false, -1, false, 1}, {true, -1, false, 1}, {once, -1, false, 1},
            {3, -3, false, 1}, {3, -4, false, 1}, {3, -32768, false, 1},
            {false, -32768, false, 1}, {true, -32768, false, 1},
            {32767, -32768, false, 1}, {32767, -32767, false, 1},
            {32767, -32766, 1, 0},
            {3, false, false, 0}, {3, true, true, 0}, {3, once, once, 0},
            {once, true, true, 0}, {once, false, false, 0},
            {true, once, once, 0}, {false, false, false, 0}],
    lists:foreach(fun({Start, Set, Value, Passives} = Row) ->
        do_with_pair([{active, Start}], fun(S, _P) ->
            ok = inet:setopts(S, [{active, Set}]),
            Expected = {{ok, [{active, Value}]},
                        lists:duplicate(Passives, {tcp_passive, S})},
            case {inet:getopts(S, [active]), tcp_pairs:flush()} of
                Expected -> ok;
                Other -> ct:fail({Row, Other})
            end
        end)
    end, Rows).

%% What is out of range, or no value at all, is einval and changes nothing.
count_refusals(_Config) ->
    Starts = [true, once, false, 4],
    Bad = [32768, -32769, 100000, 1 bsl 40, foo, 1.0, "1", <<>>, []],
    [do_with_pair([{active, Start}], fun(S, _P) ->
         [{error, einval} = inet:setopts(S, [{active, B}]) || B <- Bad],
         {ok, [{active, Start}]} = inet:getopts(S, [active]),
         [] = tcp_pairs:flush()
     end) || Start <- Starts].

%% So is a sum above 32767; the count is as before and still works.
refused_count_changes_nothing(_Config) ->
    do_with_pair([{packet, 1}, {active, 32767}], fun(S, P) ->
        {error, einval} = inet:setopts(S, [{active, 1}]),
        {ok, [{active, 32767}]} = inet:getopts(S, [active]),
        ok = inet:setopts(S, [{active, -32765}]),
        {error, einval} = inet:setopts(S, [{active, 32766}]),
        {ok, [{active, 2}]} = inet:getopts(S, [active]),
        do_send(P, <<1, "a", 1, "b", 1, "c">>),
        {tcp, S, "a"} = next(),
        {tcp, S, "b"} = next(),
        {tcp_passive, S} = next(),
        none()
    end).

%% In connect and listen a value out of range is exit(badarg).
refused_in_connect_and_listen(_Config) ->
    {ok, L} = do_listen([]),
    {ok, Port} = inet:port(L),
    [begin
         {'EXIT', badarg} =
             (catch gen_tcp:connect({127, 0, 0, 1}, Port, [{active, Bad}])),
         {'EXIT', badarg} = (catch gen_tcp:listen(0, [{active, Bad}]))
     end || Bad <- [32768, -32769, foo, "1"]],
    ok = gen_tcp:close(L).

%% Counts in one call add up.
several_counts_in_one_call(_Config) ->
    do_with_pair([{active, false}], fun(S, _P) ->
        ok = inet:setopts(S, [{active, 5}, {active, 10}]),
        {ok, [{active, 15}]} = inet:getopts(S, [active]),
        ok = inet:setopts(S, [{active, -10}, {active, -4}]),
        {ok, [{active, 1}]} = inet:getopts(S, [active]),
        [] = tcp_pairs:flush()
    end).

%% setopts works from the last entry to the first.
last_entry_is_applied_first(_Config) ->
    do_with_pair([{active, false}], fun(S, _P) ->
        ok = inet:setopts(S, [{active, false}, {active, 10}]),
        {ok, [{active, false}]} = inet:getopts(S, [active]),
        ok = inet:setopts(S, [{active, 10}, {active, false}]),
        {ok, [{active, 10}]} = inet:getopts(S, [active]),
        ok = inet:setopts(S, [{active, 1}, {active, once}]),
        {ok, [{active, 1}]} = inet:getopts(S, [active]),
        [] = tcp_pairs:flush()
    end).

%% `{active, 0}' sends tcp_passive every time, also when the socket
%% was passive; `false' never does.
zero_repeats_tcp_passive(_Config) ->
    do_both_ends([{active, false}], fun(S, _P) ->
        ok = inet:setopts(S, [{active, 0}]),
        {tcp_passive, S} = next_now(),
        ok = inet:setopts(S, [{active, 0}]),
        {tcp_passive, S} = next_now(),
        ok = inet:setopts(S, [{active, -7}]),
        {tcp_passive, S} = next_now(),
        ok = inet:setopts(S, [{active, false}]),
        none()
    end).

%% getopts shows what is left of the count, and never 0.
count_reads_what_is_left(_Config) ->
    do_with_pair([{packet, 1}, {active, 3}], fun(S, P) ->
        [begin
             {ok, [{active, Left}]} = inet:getopts(S, [active]),
             do_send(P, <<1, "a">>),
             {tcp, S, "a"} = next()
         end || Left <- [3, 2, 1]],
        {tcp_passive, S} = next(),
        {ok, [{active, false}]} = inet:getopts(S, [active])
    end).

%% `false', `true' and `once' forget the count, and no tcp_passive comes
%% for it, at once or when it would have run out.
forgotten_count_sends_no_tcp_passive(_Config) ->
    do_with_pair([{packet, 1}, {active, 2}], fun(S, P) ->
        ok = inet:setopts(S, [{active, true}]),
        do_send(P, <<1, "a", 1, "b", 1, "c">>),
        [{tcp, S, [C]} = next() || C <- "abc"],
        ok = inet:setopts(S, [{active, 2}]),
        ok = inet:setopts(S, [{active, once}]),
        do_send(P, <<1, "d">>),
        {tcp, S, "d"} = next(),
        ok = inet:setopts(S, [{active, 2}]),
        ok = inet:setopts(S, [{active, false}]),
        none(),
        ok = inet:setopts(S, [{active, 2}]),
        {ok, [{active, 2}]} = inet:getopts(S, [active])
    end).

%% An accepted socket starts with a copy of the listener's count.
count_is_inherited_not_consumed(_Config) ->
    {ok, L} = do_listen([{packet, 1}, {active, 2}]),
    [begin
         P = do_dial(L),
         {ok, S} = gen_tcp:accept(L, 5000),
         {ok, [{active, 2}]} = inet:getopts(S, [active]),
         do_send(P, <<1, "a", 1, "b">>),
         {tcp, S, "a"} = next(),
         {tcp, S, "b"} = next(),
         {tcp_passive, S} = next(),
         {ok, [{active, 2}]} = inet:getopts(L, [active]),
         tcp_pairs:peer_reset(P),
         ok = gen_tcp:close(S)
     end || _ <- [1, 2]],
    ok = gen_tcp:close(L),
    none().

%% The value the listener has when the connection is handed out.
modes_are_inherited(_Config) ->
    {ok, L} = do_listen([{active, true}]),
    [begin
         P = do_dial(L),
         ok = inet:setopts(L, [{active, Active}]),
         {ok, S} = gen_tcp:accept(L, 5000),
         {ok, [{active, Active}]} = inet:getopts(S, [active]),
         tcp_pairs:peer_reset(P),
         ok = gen_tcp:close(S)
     end || Active <- [true, once, false]],
    ok = gen_tcp:close(L).

%% A count is raised while it runs; tcp_passive comes after the sum.
count_added_while_running(_Config) ->
    do_with_pair([{packet, 1}, {active, 2}], fun(S, P) ->
        do_send(P, <<1, "a">>),
        {tcp, S, "a"} = next(),
        ok = inet:setopts(S, [{active, 2}]),
        do_send(P, <<1, "b", 1, "c", 1, "d">>),
        {tcp, S, "b"} = next(),
        {tcp, S, "c"} = next(),
        {tcp, S, "d"} = next(),
        {tcp_passive, S} = next(),
        none()
    end).

%%
%% Arming a socket when input is there
%%

%% A byte that is in the kernel is in the mailbox when setopts
%% returns.
once_finds_byte_in_kernel(_Config) ->
    do_both_ends([{active, false}], fun(S, P) ->
        [begin
             do_send(P, [C]),
             ok = inet:setopts(S, [{active, once}]),
             {tcp, S, [C]} = next_now(),
             {ok, [{active, false}]} = inet:getopts(S, [active])
         end || C <- "abcdefgh"]
    end).

%% The same with a count, followed by tcp_passive.
count_finds_byte_in_kernel(_Config) ->
    do_with_pair([{active, false}], fun(S, P) ->
        [begin
             do_send(P, [C]),
             ok = inet:setopts(S, [{active, 1}]),
             {tcp, S, [C]} = next_now(),
             {tcp_passive, S} = next_now()
         end || C <- "abcdefgh"]
    end).

%% The same in a packet mode, after arming with `once' and a count.
once_finds_packet_in_kernel(_Config) ->
    do_with_pair([{packet, 4}, {active, false}], fun(S, P) ->
        do_send(P, <<1:32, "a">>),
        ok = inet:setopts(S, [{active, once}]),
        {tcp, S, "a"} = next_now(),
        do_send(P, <<1:32, "b">>),
        ok = inet:setopts(S, [{active, 2}]),
        {tcp, S, "b"} = next_now(),
        {ok, [{active, 1}]} = inet:getopts(S, [active])
    end).

%% So is a packet that was read together with an earlier one.
once_finds_buffered_packet(_Config) ->
    do_with_pair([{packet, 1}, {active, false}], fun(S, P) ->
        do_send(P, <<1, "a", 1, "b", 1, "c">>),
        {ok, "a"} = gen_tcp:recv(S, 0, 5000),
        ok = inet:setopts(S, [{active, once}]),
        {tcp, S, "b"} = next_now(),
        ok = inet:setopts(S, [{active, 1}]),
        {tcp, S, "c"} = next_now(),
        {tcp_passive, S} = next_now()
    end).

%% `once' takes exactly one of several buffered packets.
once_takes_one_buffered_packet(_Config) ->
    do_with_pair([{packet, 1}, {active, false}], fun(S, P) ->
        do_send(P, <<1, "a", 1, "b", 1, "c">>),
        [begin
             ok = inet:setopts(S, [{active, once}]),
             {tcp, S, [C]} = next_now(),
             none = next_now()
         end || C <- "abc"],
        none()
    end).

%% A count takes as many buffered packets as it says; the first is
%% there at once.
count_takes_one_buffered_packet(_Config) ->
    do_with_pair([{packet, 1}, {active, false}], fun(S, P) ->
        do_send(P, <<1, "a", 1, "b", 1, "c", 1, "d">>),
        ok = inet:setopts(S, [{active, 3}]),
        {tcp, S, "a"} = next_now(),
        {tcp, S, "b"} = next(),
        {tcp, S, "c"} = next(),
        {tcp_passive, S} = next(),
        none(),
        {ok, "d"} = gen_tcp:recv(S, 0, 5000)
    end).

%% The end of the stream that the kernel knows of is in the mailbox
%% when setopts returns.
once_finds_end_of_stream(_Config) ->
    do_with_pair([{active, false}], fun(S, P) ->
        do_finish(P),
        ok = inet:setopts(S, [{active, once}]),
        {tcp_closed, S} = next_now()
    end).

%% With a count too.
count_finds_end_of_stream(_Config) ->
    do_with_pair([{active, false}], fun(S, P) ->
        do_finish(P),
        ok = inet:setopts(S, [{active, 3}]),
        {tcp_closed, S} = next_now()
    end).

%% And a reset.
once_finds_reset(_Config) ->
    do_with_pair([{active, false}, {show_econnreset, true}], fun(S, P) ->
        tcp_pairs:peer_reset(P),
        ok = tcp_pairs:reset_arrived(S),
        ok = inet:setopts(S, [{active, once}]),
        {tcp_error, S, econnreset} = next_now(),
        {tcp_closed, S} = next_now()
    end).

%% Bytes that were pushed back are input like any other.
once_finds_unread_bytes(_Config) ->
    do_with_pair([{packet, 1}, {active, false}], fun(S, _P) ->
        ok = gen_tcp:unrecv(S, <<1, "u">>),
        ok = inet:setopts(S, [{active, once}]),
        {tcp, S, "u"} = next_now()
    end).

%% `true' sends all complete packets that were read before setopts returns.
true_finds_buffered_packets(_Config) ->
    do_with_pair([{packet, 1}, {active, false}], fun(S, P) ->
        do_send(P, <<1, "a", 1, "b", 1, "c", 1>>),
        {ok, "a"} = gen_tcp:recv(S, 0, 5000),
        ok = inet:setopts(S, [{active, true}]),
        {tcp, S, "b"} = next_now(),
        {tcp, S, "c"} = next_now(),
        none(),
        do_send(P, "d"),
        {tcp, S, "d"} = next()
    end).

%% What is still in the kernel, and the end of the stream, follow shortly.
true_finds_kernel_input(_Config) ->
    do_with_pair([{packet, 1}, {active, false}], fun(S, P) ->
        do_send(P, <<1, "a", 1, "b">>),
        do_finish(P),
        ok = inet:setopts(S, [{active, true}]),
        {tcp, S, "a"} = next(),
        {tcp, S, "b"} = next(),
        {tcp_closed, S} = next()
    end).

%% The packet type is changed in the call that arms: what was read before
%% is parsed with the new type and is in the mailbox when setopts returns.
packet_change_finds_buffered_packet(_Config) ->
    do_with_pair([{packet, line}, {active, false}], fun(S, P) ->
        do_send(P, ["a\n", <<1:16, "b">>, <<1:16, "c">>]),
        {ok, "a\n"} = gen_tcp:recv(S, 0, 5000),
        ok = inet:setopts(S, [{packet, 2}, {active, once}]),
        {tcp, S, "b"} = next_now(),
        {ok, "c"} = gen_tcp:recv(S, 0, 5000)
    end).

%% The packet type is changed while the socket waits; the next input is
%% parsed with the new type.
packet_change_while_armed(_Config) ->
    do_with_pair([{packet, line}, {active, true}], fun(S, P) ->
        do_send(P, "a\n"),
        {tcp, S, "a\n"} = next(),
        ok = inet:setopts(S, [{packet, 2}]),
        do_send(P, <<2:16, "b\n">>),
        {tcp, S, "b\n"} = next(),
        ok = inet:setopts(S, [{packet, line}]),
        do_send(P, "c\n"),
        {tcp, S, "c\n"} = next()
    end).

%% Once setopts has returned with `{active, false}' no message is made,
%% although the peer is sending all the time; recv continues the stream.
passive_means_silence(_Config) ->
    do_with_pair([binary, {packet, 4}, {active, true}], fun(S, P) ->
        do_numbers(P, 5000),
        Seen = do_count_messages(S, 1, 100),
        ok = inet:setopts(S, [{active, false}]),
        Next = do_count_waiting(S, Seen),
        none(),
        [{ok, <<I:32>>} = gen_tcp:recv(S, 0, 5000)
         || I <- lists:seq(Next, 5000)]
    end).

%% An incomplete packet that was read while armed is completed by recv.
passive_keeps_partial_packet(_Config) ->
    do_with_pair([{packet, 1}, {active, true}], fun(S, P) ->
        do_send(P, <<1, "a", 3, "b">>),
        {tcp, S, "a"} = next(),
        ok = inet:setopts(S, [{active, false}]),
        {error, timeout} = gen_tcp:recv(S, 0, 20),
        do_send(P, "cd"),
        {ok, "bcd"} = gen_tcp:recv(S, 0, 5000),
        none()
    end).

%% Switching between `true', `once', a count and recv many times, with the
%% peer sending all the time, loses no packet and changes no order.
toggling_loses_nothing(_Config) ->
    do_with_pair([binary, {packet, 4}, {active, false}], fun(S, P) ->
        Last = 3000,
        do_numbers(P, Last),
        do_toggle(S, 1, Last)
    end).

%% The usual loop: one packet, then `once' again.
once_pump_loses_nothing(_Config) ->
    do_with_pair([binary, {packet, 4}, {active, once}], fun(S, P) ->
        do_numbers(P, 3000),
        [begin
             {tcp, S, <<I:32>>} = next(),
             ok = inet:setopts(S, [{active, once}])
         end || I <- lists:seq(1, 3000)],
        none = next_now()
    end).

%% The usual loop with a count: re-armed at tcp_passive.
count_pump_loses_nothing(_Config) ->
    do_with_pair([binary, {packet, 4}, {active, 7}], fun(S, P) ->
        do_numbers(P, 2800),
        [begin
             [{tcp, S, <<I:32>>} = next()
              || I <- lists:seq(First, First + 6)],
             {tcp_passive, S} = next(),
             ok = inet:setopts(S, [{active, 7}])
         end || First <- lists:seq(1, 2800, 7)],
        none = next_now()
    end).

%% After `once' has fired recv may be used; while it waits recv is
%% einval.
recv_between_once(_Config) ->
    do_with_pair([{packet, 1}, {active, once}], fun(S, P) ->
        {error, einval} = gen_tcp:recv(S, 0, 0),
        do_send(P, <<1, "a", 1, "b", 1, "c">>),
        {tcp, S, "a"} = next(),
        {ok, "b"} = gen_tcp:recv(S, 0, 5000),
        ok = inet:setopts(S, [{active, once}]),
        {tcp, S, "c"} = next(),
        none()
    end).

%% A connection from an armed listener is armed before accept returns: its
%% data and its end arrive without another call, and then it is gone.
accepted_socket_is_armed_at_once(_Config) ->
    {ok, L} = do_listen([{packet, 1}, {active, true}]),
    P = do_dial(L),
    do_send(P, <<1, "a">>),
    do_finish(P),
    {ok, S} = gen_tcp:accept(L, 5000),
    {tcp, S, "a"} = next(),
    {tcp_closed, S} = next(),
    {error, einval} = inet:peername(S),
    tcp_pairs:peer_reset(P),
    ok = gen_tcp:close(L).

%%
%% Streams of numbered packets
%%

%% A process of its own sends the numbers 1..Last as 4 byte packets.
do_numbers(P, Last) ->
    spawn_link(fun() ->
        [ok = tcp_pairs:peer_send(P, [<<4:32, J:32>>
                                      || J <- lists:seq(I, min(I + 9, Last))])
         || I <- lists:seq(1, Last, 10)]
    end).

do_count_messages(_S, Next, Limit) when Next > Limit ->
    Next;
do_count_messages(S, Next, Limit) ->
    {tcp, S, <<Next:32>>} = next(),
    do_count_messages(S, Next + 1, Limit).

%% Takes what is in the mailbox already; returns the number that is due then.
do_count_waiting(S, Next) ->
    case next_now() of
        {tcp, S, <<Next:32>>} -> do_count_waiting(S, Next + 1);
        none -> Next
    end.

do_toggle(_S, Next, Last) when Next > Last ->
    ok;
do_toggle(S, Next, Last) ->
    Active = element(1 + Next rem 3, {true, once, 3}),
    ok = inet:setopts(S, [{active, Active}]),
    {tcp, S, <<Next:32>>} = next(),
    ok = inet:setopts(S, [{active, false}]),
    Then = do_toggle_waiting(S, Next + 1),
    none = next_now(),
    case Then > Last of
        true ->
            ok;
        false ->
            {ok, <<Then:32>>} = gen_tcp:recv(S, 0, 5000),
            none = next_now(),
            do_toggle(S, Then + 1, Last)
    end.

do_toggle_waiting(S, Next) ->
    case next_now() of
        {tcp, S, <<Next:32>>} -> do_toggle_waiting(S, Next + 1);
        {tcp_passive, S} -> do_toggle_waiting(S, Next);
        none -> Next
    end.

%%
%% Pairs of a socket under test and a plain peer
%%

%% Runs Fun on a connected socket and on an accepted one.
do_both_ends(Opts, Fun) ->
    do_with_pair(Opts, Fun),
    {ok, L} = do_listen(Opts),
    P = do_dial(L),
    {ok, S} = gen_tcp:accept(L, 5000),
    try Fun(S, P)
    after
        tcp_pairs:peer_reset(P),
        gen_tcp:close(S),
        gen_tcp:close(L)
    end.

%% Opts alone count: the defaults, list mode and `{active, true}', are part of
%% what is tested.
do_with_pair(Opts, Fun) ->
    L = tcp_pairs:peer_listen(),
    {ok, S} = gen_tcp:connect({127, 0, 0, 1}, tcp_pairs:peer_port(L), Opts, 5000),
    P = tcp_pairs:peer_accept(L),
    tcp_pairs:peer_close(L),
    try Fun(S, P)
    after
        tcp_pairs:peer_reset(P),
        gen_tcp:close(S)
    end.

do_listen(Opts) ->
    gen_tcp:listen(0, [{ip, {127, 0, 0, 1}} | Opts]).

do_dial(L) ->
    {ok, Port} = inet:port(L),
    tcp_pairs:peer_connect(Port).

%% Returns when the bytes have reached the kernel of the other end.
do_send(P, Data) ->
    ok = tcp_pairs:peer_send(P, Data),
    ok = tcp_pairs:acknowledged(P).

%% Ends the stream; returns when the other kernel knows.
do_finish(P) ->
    ok = tcp_pairs:peer_shutdown(P, write),
    ok = tcp_pairs:acknowledged(P).

%%
%% The mailbox
%%

%% The next Octets bytes of S, from messages.
do_gather(S, Octets) ->
    iolist_to_binary(do_gather_chunks(S, Octets)).

do_gather_chunks(_S, 0) ->
    [];
do_gather_chunks(S, Octets) when Octets > 0 ->
    {tcp, S, Data} = next(),
    [Data | do_gather_chunks(S, Octets - iolist_size(Data))].
