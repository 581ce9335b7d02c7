%% @doc The functions of inet on a socket, and file:sendfile: options as
%% lists, counters, info, monitors, and files sent without a packet header.
-module(inet_calls_SUITE).

-export([all/0, groups/0, suite/0, init_per_group/2, end_per_group/2]).

-export([
    option_lists_that_are_none/1,
    option_failures_are_einval/1,
    getstat_order/1,
    getstat_refusals/1,
    recv_counters_count_packets_with_headers/1,
    recv_counters_count_at_delivery/1,
    recv_counters_count_messages/1,
    send_counters_count_calls/1,
    send_counters_count_what_is_queued/1,
    counters_of_an_accepted_socket_start_at_zero/1,
    averages_and_deviation/1,
    send_pend_is_the_queue/1,
    info_keys/1,
    info_counters_and_output/1,
    info_of_a_busy_socket/1,
    port_of_every_socket/1,
    socket_to_list_never_fails/1,
    each_monitor_has_its_own_down/1,
    monitor_by_another_process/1,
    down_reports_why_the_owner_died/1,
    down_after_the_peer_closed/1,
    cancelled_monitors_are_silent/1,
    cancel_monitor_answers_once/1,
    cancel_monitor_does_not_flush/1,
    sendfile_of_a_file_name/1,
    sendfile_of_parts/1,
    sendfile_leaves_the_position/1,
    sendfile_adds_no_header_and_counts_nothing/1,
    sendfile_waits_behind_queued_output/1,
    sendfile_of_a_large_file/1,
    sendfile_refusals/1
]).

-import(tcp_pairs, [outcome/1, by_another/1, arrived/2, eventually/1, flush/0, is_gone/1]).

-define(LOOPBACK, {127, 0, 0, 1}).

suite() ->
    [{timetrap, {seconds, 30}}].

all() ->
    driver_groups:all().

groups() ->
    driver_groups:groups(cases()).

cases() ->
    [
        option_lists_that_are_none,
        option_failures_are_einval,
        getstat_order,
        getstat_refusals,
        recv_counters_count_packets_with_headers,
        recv_counters_count_at_delivery,
        recv_counters_count_messages,
        send_counters_count_calls,
        send_counters_count_what_is_queued,
        counters_of_an_accepted_socket_start_at_zero,
        averages_and_deviation,
        send_pend_is_the_queue,
        info_keys,
        info_counters_and_output,
        info_of_a_busy_socket,
        port_of_every_socket,
        socket_to_list_never_fails,
        each_monitor_has_its_own_down,
        monitor_by_another_process,
        down_reports_why_the_owner_died,
        down_after_the_peer_closed,
        cancelled_monitors_are_silent,
        cancel_monitor_answers_once,
        cancel_monitor_does_not_flush,
        sendfile_of_a_file_name,
        sendfile_of_parts,
        sendfile_leaves_the_position,
        sendfile_adds_no_header_and_counts_nothing,
        sendfile_waits_behind_queued_output,
        sendfile_of_a_large_file,
        sendfile_refusals
    ].

init_per_group(Group, Config) ->
    driver_groups:init(Group, Config).

end_per_group(Group, Config) ->
    driver_groups:done(Group, Config).

%%
%% setopts, getopts
%%

%% What is no list raises.
option_lists_that_are_none(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    [{raised, error, bad_generator} = outcome(fun() -> inet:setopts(S, Opts) end)
     || Opts <- [foo, <<>>, {active, once}]],
    [{raised, error, function_clause} = outcome(fun() -> inet:getopts(S, Names) end)
     || Names <- [foo, <<>>, {active, once}]],
    {ok, [{active, false}]} = inet:getopts(S, [active]),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% Everything else that fails is einval.
option_failures_are_einval(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    [{error, einval} = outcome(fun() -> inet:setopts(S, [Opt]) end)
     || Opt <- [foo, {foo, 1}, {active, 'maybe'}, {nodelay, 1}, {ttl, 0}, {tclass, 1},
                {active}, {active, true, 1}, "active", 17,
                {bind_to_device, <<"nosuch">>}]],
    [{error, einval} = outcome(fun() -> inet:getopts(S, [Name]) end)
     || Name <- [foo, {active, true}, "active", 17, {raw, 6}]],
    ok = inet:setopts(S, []),
    {ok, []} = inet:getopts(S, []),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%%
%% getstat
%%

%% All counters come in this order, chosen ones in the caller's.
getstat_order(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    {ok, Stats} = inet:getstat(S),
    [recv_oct, recv_cnt, recv_max, recv_avg, recv_dvi,
     send_oct, send_cnt, send_max, send_avg, send_pend] = [Name || {Name, _} <- Stats],
    [0] = lists:usort([Value || {_, Value} <- Stats]),
    ok = gen_tcp:send(S, "hello"),
    {ok, [{send_cnt, 1}, {recv_oct, 0}, {send_oct, 5}, {send_cnt, 1}]} =
        inet:getstat(S, [send_cnt, recv_oct, send_oct, send_cnt]),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% An unknown name is einval, something that is no list raises.
getstat_refusals(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    {ok, []} = inet:getstat(S, []),
    {error, einval} = inet:getstat(S, [recv_oct, foo]),
    {error, einval} = inet:getstat(S, [17]),
    {raised, error, function_clause} = outcome(fun() -> inet:getstat(S, foo) end),
    {raised, error, function_clause} = outcome(fun() -> inet:getstat(S, <<>>) end),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% A packet and its header are one delivery.
recv_counters_count_packets_with_headers(_Config) ->
    [begin
        {S, Peer} = tcp_pairs:connect_to_peer([{packet, Packet}]),
        tcp_pairs:peer_send(Peer, Wire),
        {ok, _} = gen_tcp:recv(S, 0, 5000),
        {ok, _} = gen_tcp:recv(S, 0, 5000),
        {ok, [{recv_cnt, 2}, {recv_oct, Octets}]} = inet:getstat(S, [recv_cnt, recv_oct]),
        Octets = byte_size(Wire),
        ok = gen_tcp:close(S),
        tcp_pairs:peer_close(Peer)
    end || {Packet, Wire} <- [{1, <<3, "one", 3, "two">>},
                              {2, <<3:16, "one", 3:16, "two">>},
                              {4, <<3:32, "one", 0:32>>},
                              {line, <<"one\ntwo\n">>},
                              {tpkt, <<3, 0, 7:16, "one", 3, 0, 4:16>>}]],
    ok.

%% What has arrived but is not delivered is not counted.
recv_counters_count_at_delivery(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, 2}]),
    tcp_pairs:peer_send(Peer, <<3:16, "one", 3:16, "two", 3:16, "thr">>),
    arrived(S, 15),
    [begin
        {ok, [{recv_cnt, Count}, {recv_oct, Octets}]} = inet:getstat(S, [recv_cnt, recv_oct]),
        {ok, _} = gen_tcp:recv(S, 0, 5000)
    end || {Count, Octets} <- [{0, 0}, {1, 5}, {2, 10}]],
    {ok, [{recv_cnt, 3}, {recv_oct, 15}]} = inet:getstat(S, [recv_cnt, recv_oct]),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% Messages count like recv.
recv_counters_count_messages(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, 2}, {active, true}]),
    tcp_pairs:peer_send(Peer, <<3:16, "one", 4:16, "four">>),
    receive {tcp, S, <<"one">>} -> ok end,
    receive {tcp, S, <<"four">>} -> ok end,
    {ok, [{recv_cnt, 2}, {recv_oct, 11}, {recv_max, 6}]} =
        inet:getstat(S, [recv_cnt, recv_oct, recv_max]),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% Each send counts, with its header.
send_counters_count_calls(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, 4}]),
    ok = gen_tcp:send(S, "hello"),
    ok = gen_tcp:send(S, ""),
    ok = gen_tcp:send(S, ["wor", <<"ld!">>]),
    {ok, [{send_cnt, 3}, {send_oct, 23}, {send_max, 10}, {send_avg, 7}]} =
        inet:getstat(S, [send_cnt, send_oct, send_max, send_avg]),
    ok = inet:setopts(S, [{packet, raw}]),
    ok = gen_tcp:send(S, "raw"),
    {ok, [{send_cnt, 4}, {send_oct, 26}, {send_avg, 6}]} =
        inet:getstat(S, [send_cnt, send_oct, send_avg]),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% At the time of the call, whether it left or not
send_counters_count_what_is_queued(_Config) ->
    {S, Peer} = do_open_full(),
    {ok, [{send_cnt, 1}, {send_oct, 1_000_000}]} = inet:getstat(S, [send_cnt, send_oct]),
    do_abort(S),
    tcp_pairs:peer_close(Peer).

%% What the listener or the kernel has had before does not count.
counters_of_an_accepted_socket_start_at_zero(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    [begin
        {ok, C} = gen_tcp:connect(?LOOPBACK, Port, [{active, false}]),
        ok = gen_tcp:send(C, "hello"),
        {ok, A} = gen_tcp:accept(L, 5000),
        {ok, Stats} = inet:getstat(A),
        [0] = lists:usort([Value || {_, Value} <- Stats]),
        {ok, <<"hello">>} = gen_tcp:recv(A, 5, 5000),
        {ok, [{recv_cnt, 1}]} = inet:getstat(A, [recv_cnt]),
        ok = gen_tcp:close(A),
        ok = gen_tcp:close(C)
    end || _ <- [1, 2]],
    {ok, [{recv_cnt, 0}]} = inet:getstat(L, [recv_cnt]),
    ok = gen_tcp:close(L).

%% Averages are truncated; the deviation follows the last packets.
averages_and_deviation(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, 4}]),
    [begin
        Body = Size - 4,
        tcp_pairs:peer_send(Peer, <<Body:32, 0:Body/unit:8>>),
        {ok, _} = gen_tcp:recv(S, 0, 5000),
        Stats = inet:getstat(S, [recv_max, recv_avg, recv_dvi]),
        {Size, {ok, [{recv_max, Max}, {recv_avg, Avg}, {recv_dvi, Dvi}]}} = {Size, Stats}
    end || {Size, Max, Avg, Dvi} <- [
        {10, 10, 10, 0}, {20, 20, 15, 2}, {30, 30, 20, 5}, {41, 41, 25, 7},
        {1000, 1000, 220, 162}, {5, 1000, 184, 105}, {4, 1000, 158, 68}, {4, 1000, 139, 42},
        {4, 1000, 124, 24}
    ]],
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% The bytes that wait for the peer, zero when it has read them
send_pend_is_the_queue(_Config) ->
    {S, Peer} = do_open_full(),
    {ok, [{send_pend, Pending}]} = inet:getstat(S, [send_pend]),
    true = Pending > 0 andalso Pending < 1_000_000,
    _ = tcp_pairs:peer_recv(Peer, 1_000_000),
    eventually(fun() -> {ok, [{send_pend, 0}]} =:= inet:getstat(S, [send_pend]) end),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%%
%% info, port, socket_to_list
%%

info_keys(_Config) ->
    {C, S} = tcp_pairs:pair(),
    {L, _Port} = tcp_pairs:listen(),
    [begin
        Info = inet:info(Socket),
        [counters, input, links, memory, monitors, output, owner, states] =
            lists:sort(maps:keys(Info)),
        #{owner := Owner, memory := Memory, input := Input, output := Output,
          links := Links, monitors := Monitors, counters := Counters} = Info,
        Owner = self(),
        true = is_integer(Memory) andalso Memory > 0,
        true = is_integer(Input) andalso is_integer(Output),
        true = is_list(Links) andalso is_list(Monitors),
        {ok, Stats} = inet:getstat(Socket),
        Counters = maps:from_list(Stats),
        ok = gen_tcp:close(Socket)
    end || Socket <- [C, S, L]],
    ok.

%% Counters are those of getstat, output is what the user sent. From OTP 26
%% on stock writes a reference of its own along with each send, and counts it.
info_counters_and_output(Config) ->
    {C, S} = tcp_pairs:pair([{packet, 4}]),
    ok = gen_tcp:send(C, "hello"),
    ok = gen_tcp:send(C, " world"),
    {ok, <<"hello">>} = gen_tcp:recv(S, 0, 5000),
    #{output := Output, counters := #{send_oct := 19, send_cnt := 2}} = inet:info(C),
    CountsReferences = driver_groups:on_stock(Config)
        andalso list_to_integer(erlang:system_info(otp_release)) >= 26,
    true = Output =:= 11 orelse (CountsReferences andalso Output > 11),
    #{output := 0, counters := #{recv_oct := 9, recv_cnt := 1}} = inet:info(S),
    ok = gen_tcp:close(C),
    ok = gen_tcp:close(S).

%% `busy' is among the states while a sender waits; info itself does not wait.
info_of_a_busy_socket(_Config) ->
    {S, Peer} = do_open_full(),
    {Sender, Monitor} = spawn_monitor(fun() -> exit(gen_tcp:send(S, "one more")) end),
    eventually(fun() -> lists:member(busy, maps:get(states, inet:info(S))) end),
    _ = tcp_pairs:peer_recv(Peer, 1_000_008),
    receive {'DOWN', Monitor, process, Sender, Reason} -> ok = Reason end,
    eventually(fun() -> not lists:member(busy, maps:get(states, inet:info(S))) end),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% The number of the socket's own end, for a local socket its path.
port_of_every_socket(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    {ok, C} = gen_tcp:connect(?LOOPBACK, Port, [{active, false}]),
    {ok, A} = gen_tcp:accept(L, 5000),
    {ok, Port} = inet:port(L),
    {ok, Port} = inet:port(A),
    {ok, {?LOOPBACK, ClientPort}} = inet:sockname(C),
    {ok, ClientPort} = inet:port(C),
    {ok, {?LOOPBACK, ClientPort}} = inet:peername(A),
    [ok = gen_tcp:close(S) || S <- [A, C, L]],
    ok.

%% A printable name that stays the same when the socket is closed
socket_to_list_never_fails(_Config) ->
    {C, S} = tcp_pairs:pair(),
    [NameC, NameS] = [inet:socket_to_list(Socket) || Socket <- [C, S]],
    true = io_lib:printable_latin1_list(NameC),
    true = NameC =/= NameS,
    ok = gen_tcp:close(C),
    ok = gen_tcp:close(S),
    [NameC, NameS] = [inet:socket_to_list(Socket) || Socket <- [C, S]],
    ok.

%%
%% monitor, cancel_monitor
%%

each_monitor_has_its_own_down(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    Monitors = [inet:monitor(S) || _ <- [1, 2, 3]],
    3 = length(lists:usort(Monitors)),
    ok = mailbox:none(),
    ok = gen_tcp:close(S),
    [receive {'DOWN', Monitor, _Type, S, Reason} -> normal = Reason end || Monitor <- Monitors],
    ok = mailbox:none(),
    tcp_pairs:peer_close(Peer).

%% The DOWN goes to whoever called monitor.
monitor_by_another_process(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    Self = self(),
    Watcher = spawn_link(fun() ->
        Monitor = inet:monitor(S),
        Self ! {monitoring, self()},
        receive {'DOWN', Monitor, _Type, S, Reason} -> Self ! {down, Reason} end
    end),
    receive {monitoring, Watcher} -> ok end,
    ok = gen_tcp:close(S),
    receive {down, Reason} -> normal = Reason end,
    ok = mailbox:none(),
    tcp_pairs:peer_close(Peer).

%% The owner's exit reason
down_reports_why_the_owner_died(_Config) ->
    PeerListener = tcp_pairs:peer_listen(),
    Self = self(),
    [begin
        {Owner, OwnerMonitor} = spawn_monitor(fun() ->
            {ok, S} = gen_tcp:connect(?LOOPBACK, tcp_pairs:peer_port(PeerListener),
                                      [{active, false}]),
            Self ! {socket, S},
            receive {exit, Why} -> exit(Why) end
        end),
        S = receive {socket, Socket} -> Socket end,
        Monitor = inet:monitor(S),
        case Reason of
            killed -> exit(Owner, kill);
            _ -> Owner ! {exit, Reason}
        end,
        receive {'DOWN', Monitor, _Type, S, Down} -> Reason = Down end,
        receive {'DOWN', OwnerMonitor, process, Owner, Reason} -> ok end,
        true = is_gone(S)
    end || Reason <- [normal, shutdown, {my, reason}, killed]],
    tcp_pairs:peer_close(PeerListener).

%% tcp_closed comes before the DOWN of an active socket; a passive one
%% is there until it is closed.
down_after_the_peer_closed(_Config) ->
    {S1, Peer1} = tcp_pairs:connect_to_peer([{active, true}]),
    Monitor1 = inet:monitor(S1),
    tcp_pairs:peer_close(Peer1),
    receive {'DOWN', Monitor1, _Type1, S1, Reason1} -> normal = Reason1 end,
    [{tcp_closed, S1}] = flush(),
    {S2, Peer2} = tcp_pairs:connect_to_peer([]),
    Monitor2 = inet:monitor(S2),
    tcp_pairs:peer_close(Peer2),
    {error, closed} = gen_tcp:recv(S2, 0, 5000),
    {error, enotconn} = gen_tcp:recv(S2, 0, 5000),
    ok = mailbox:none(),
    ok = gen_tcp:close(S2),
    receive {'DOWN', Monitor2, _Type2, S2, Reason2} -> normal = Reason2 end.

%% No DOWN after cancel_monitor, and others are not affected.
cancelled_monitors_are_silent(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    [Cancelled, Kept] = [inet:monitor(S) || _ <- [1, 2]],
    true = inet:cancel_monitor(Cancelled),
    ok = gen_tcp:close(S),
    receive {'DOWN', Kept, _Type, S, normal} -> ok end,
    ok = mailbox:none(),
    tcp_pairs:peer_close(Peer).

%% True once, then false; false for what fired and for what is unknown.
cancel_monitor_answers_once(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    Monitor = inet:monitor(S),
    true = inet:cancel_monitor(Monitor),
    false = inet:cancel_monitor(Monitor),
    false = inet:cancel_monitor(make_ref()),
    {raised, error, badarg} = outcome(fun() -> inet:cancel_monitor(foo) end),
    Fired = inet:monitor(S),
    ok = gen_tcp:close(S),
    receive {'DOWN', Fired, _Type, S, normal} -> ok end,
    false = inet:cancel_monitor(Fired),
    tcp_pairs:peer_close(Peer).

%% A DOWN that is there already stays.
cancel_monitor_does_not_flush(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    [First, Second] = [inet:monitor(S) || _ <- [1, 2]],
    ok = gen_tcp:close(S),
    receive {'DOWN', First, _, S, normal} -> ok end,
    Self = self(),
    eventually(fun() ->
        {message_queue_len, 1} =:=
            by_another(fun() -> process_info(Self, message_queue_len) end)
    end),
    false = inet:cancel_monitor(Second),
    [{'DOWN', Second, _Type, S, normal}] = flush(),
    tcp_pairs:peer_close(Peer).

%%
%% sendfile
%%

%% The whole file, and how many octets it has.
sendfile_of_a_file_name(Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    File = do_file(Config, <<"0123456789">>),
    {ok, 10} = file:sendfile(File, S),
    {ok, 10} = file:sendfile(list_to_binary(File), S),
    <<"01234567890123456789">> = tcp_pairs:peer_recv(Peer, 20),
    Empty = do_file(Config, <<>>),
    {ok, 0} = file:sendfile(Empty, S),
    ok = gen_tcp:close(S),
    {<<>>, closed} = tcp_pairs:peer_recv_all(Peer),
    tcp_pairs:peer_close(Peer).

%% Offset and length, length 0, and files that are too short
sendfile_of_parts(Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    {ok, Fd} = file:open(do_file(Config, <<"0123456789">>), [read, raw, binary]),
    [begin
        Sent = byte_size(Expected),
        {ok, Sent} = file:sendfile(Fd, S, Offset, Length, Opts),
        Sent > 0 andalso (Expected = tcp_pairs:peer_recv(Peer, Sent))
    end || {Offset, Length, Opts, Expected} <- [
        {0, 0, [], <<"0123456789">>}, {2, 3, [], <<"234">>}, {7, 0, [], <<"789">>},
        {5, 100, [], <<"56789">>}, {10, 0, [], <<>>}, {100, 0, [], <<>>}, {100, 5, [], <<>>},
        {0, 0, [{chunk_size, 3}], <<"0123456789">>}, {1, 8, [{chunk_size, 3}], <<"12345678">>},
        {0, 5, [{use_threads, true}], <<"01234">>}]],
    ok = file:close(Fd),
    ok = gen_tcp:close(S),
    {<<>>, closed} = tcp_pairs:peer_recv_all(Peer),
    tcp_pairs:peer_close(Peer).

%% Offset and length choose what is sent, length 0 is up to the end.
sendfile_leaves_the_position(Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    {ok, Fd} = file:open(do_file(Config, <<"0123456789">>), [read, raw, binary]),
    {ok, <<"01">>} = file:read(Fd, 2),
    {ok, 4} = file:sendfile(Fd, S, 5, 4, []),
    {ok, <<"23">>} = file:read(Fd, 2),
    {ok, 10} = file:sendfile(Fd, S, 0, 0, []),
    {ok, 4} = file:position(Fd, cur),
    <<"56780123456789">> = tcp_pairs:peer_recv(Peer, 14),
    ok = file:close(Fd),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% The file is no packet, and no send.
sendfile_adds_no_header_and_counts_nothing(Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, 4}]),
    File = do_file(Config, <<"0123456789">>),
    ok = gen_tcp:send(S, "before"),
    {ok, 10} = file:sendfile(File, S),
    ok = gen_tcp:send(S, "after"),
    <<6:32, "before0123456789", 5:32, "after">> = tcp_pairs:peer_recv(Peer, 29),
    {ok, [{send_cnt, 2}, {send_oct, 19}]} = inet:getstat(S, [send_cnt, send_oct]),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% The file comes behind what was sent before it, and before what is
%% sent after it.
sendfile_waits_behind_queued_output(Config) ->
    File = do_file(Config, binary:copy(<<"file">>, 25000)),
    Self = self(),
    {Owner, Monitor} = spawn_monitor(fun() ->
        {S, Peer} = do_open_full(),
        Self ! {peer, Peer},
        {ok, 100000} = file:sendfile(File, S),
        ok = gen_tcp:send(S, "after"),
        ok = gen_tcp:close(S),
        receive peer_is_done -> ok end
    end),
    Peer = receive {peer, P} -> P end,
    tcp_pairs:at_rest(Owner),
    {Stream, closed} = tcp_pairs:peer_recv_all(Peer),
    Owner ! peer_is_done,
    Expected = [binary:copy(<<0>>, 1_000_000), binary:copy(<<"file">>, 25000), "after"],
    true = Stream =:= iolist_to_binary(Expected),
    receive {'DOWN', Monitor, process, Owner, Reason} -> normal = Reason end.

%% More than the kernel takes at once, to a peer that reads slowly
sendfile_of_a_large_file(Config) ->
    Contents = iolist_to_binary([<<N:32>> || N <- lists:seq(1, 1_000_000)]),
    File = do_file(Config, Contents),
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    {Reader, Monitor} = spawn_monitor(fun() -> exit({read, tcp_pairs:peer_recv_all(Peer)}) end),
    {ok, 4_000_000} = file:sendfile(File, S),
    ok = gen_tcp:close(S),
    {read, {Stream, closed}} =
        receive {'DOWN', Monitor, process, Reader, Reason} -> Reason end,
    true = Stream =:= Contents,
    tcp_pairs:peer_close(Peer).

%% Negative numbers are einval, other types and cooked files badarg, no file is enoent.
sendfile_refusals(Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    File = do_file(Config, <<"0123456789">>),
    {ok, Fd} = file:open(File, [read, raw, binary]),
    {ok, NotRaw} = file:open(File, [read, binary]),
    [Expected = outcome(fun() -> file:sendfile(F, S, Offset, Length, Opts) end)
     || {F, Offset, Length, Opts, Expected} <- [
        {Fd, -1, 0, [], {error, einval}},
        {Fd, 0, -1, [], {error, einval}},
        {Fd, foo, 0, [], {error, badarg}},
        {Fd, 0, foo, [], {error, badarg}},
        {Fd, 0, 0, [{chunk_size, foo}], {error, badarg}},
        {NotRaw, 0, 0, [], {error, badarg}},
        {foo, 0, 0, [], {error, badarg}}]],
    ok = file:close(NotRaw),
    ok = file:close(Fd),
    {error, enoent} = file:sendfile(File ++ ".missing", S),
    ok = gen_tcp:close(S),
    {<<>>, closed} = tcp_pairs:peer_recv_all(Peer),
    tcp_pairs:peer_close(Peer).

%%
%% Helpers
%%

%% A socket whose peer does not read: of one send of 1,000,000 bytes a part
%% waits in the queue.
do_open_full() ->
    {S, Peer} = tcp_pairs:connect_to_peer([{sndbuf, 16384}], #{rcvbuf => 16384}),
    ok = gen_tcp:send(S, binary:copy(<<0>>, 1_000_000)),
    {S, Peer}.

%% Closes without waiting for the queue.
do_abort(S) ->
    ok = inet:setopts(S, [{linger, {true, 0}}]),
    ok = gen_tcp:close(S).

do_file(Config, Contents) ->
    Name = io_lib:format("file_~b", [erlang:unique_integer([positive])]),
    File = filename:join(proplists:get_value(priv_dir, Config), lists:flatten(Name)),
    ok = file:write_file(File, Contents),
    File.
