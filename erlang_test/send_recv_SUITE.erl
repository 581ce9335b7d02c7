%% @doc gen_tcp:send/2, recv/2,3, unrecv/2, shutdown/2, close/1 and fdopen/2:
%% what they take, what they give, and that no byte goes astray.
-module(send_recv_SUITE).

-export([all/0, groups/0, suite/0, init_per_group/2, end_per_group/2]).

-export([
    send_takes_iodata/1,
    send_refuses_what_is_no_iodata/1,
    empty_send_transmits_nothing/1,
    empty_send_in_packet_mode_transmits_a_header/1,
    any_process_may_send_and_receive/1,
    sends_of_many_processes_are_not_mixed/1,
    recv_of_a_length_gives_exactly_that/1,
    recv_of_a_length_waits_for_all_of_it/1,
    recv_length_limits/1,
    recv_of_a_length_in_packet_mode/1,
    recv_while_active/1,
    recv_while_another_waits/1,
    recv_timeouts/1,
    recv_timeout_loses_nothing/1,
    recv_timeout_loses_nothing_when_then_armed/1,
    recv_timeout_in_packet_mode_loses_nothing/1,
    recv_of_what_is_available/1,
    recv_is_bounded_by_the_buffer/1,
    bytes_of_a_recv_that_timed_out_come_first/1,
    eof_with_too_few_bytes/1,
    eof_while_recv_waits_for_more/1,
    eof_with_a_partial_packet/1,
    eof_behind_packets/1,
    close_wakes_recv/1,
    close_by_another_wakes_recv_of_an_owner_that_traps_exits/1,
    killed_receiver_takes_nothing_with_it/1,
    unrecv_goes_in_front/1,
    unrecv_of_any_length/1,
    unrecv_is_parsed_and_counted/1,
    shutdown_argument/1,
    shutdown_write_leaves_reading/1,
    shutdown_read/1,
    close_cleans_the_mailbox/1,
    non_sockets_raise/1,
    large_data_both_ways/1,
    fdopen/1,
    fdopen_refusals/1
]).

-import(tcp_pairs, [outcome/1, by_another/1, at_rest/1, arrived/2, eventually/1, flush/0, is_gone/1]).

suite() ->
    [{timetrap, {seconds, 30}}].

all() ->
    driver_groups:all_with_shards().

groups() ->
    driver_groups:groups(cases()).

cases() ->
    [
        send_takes_iodata,
        send_refuses_what_is_no_iodata,
        empty_send_transmits_nothing,
        empty_send_in_packet_mode_transmits_a_header,
        any_process_may_send_and_receive,
        sends_of_many_processes_are_not_mixed,
        recv_of_a_length_gives_exactly_that,
        recv_of_a_length_waits_for_all_of_it,
        recv_length_limits,
        recv_of_a_length_in_packet_mode,
        recv_while_active,
        recv_while_another_waits,
        recv_timeouts,
        recv_timeout_loses_nothing,
        recv_timeout_loses_nothing_when_then_armed,
        recv_timeout_in_packet_mode_loses_nothing,
        recv_of_what_is_available,
        recv_is_bounded_by_the_buffer,
        bytes_of_a_recv_that_timed_out_come_first,
        eof_with_too_few_bytes,
        eof_while_recv_waits_for_more,
        eof_with_a_partial_packet,
        eof_behind_packets,
        close_wakes_recv,
        close_by_another_wakes_recv_of_an_owner_that_traps_exits,
        killed_receiver_takes_nothing_with_it,
        unrecv_goes_in_front,
        unrecv_of_any_length,
        unrecv_is_parsed_and_counted,
        shutdown_argument,
        shutdown_write_leaves_reading,
        shutdown_read,
        close_cleans_the_mailbox,
        non_sockets_raise,
        large_data_both_ways,
        fdopen,
        fdopen_refusals
    ].

init_per_group(Group, Config) ->
    driver_groups:init(Group, Config).

end_per_group(Group, Config) ->
    driver_groups:done(Group, Config).

%%
%% send
%%

%% Iodata of any nesting, and an ok for each
send_takes_iodata(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    Deep = lists:foldl(fun(N, Nested) -> [N rem 256, [Nested]] end, <<"end">>, lists:seq(1, 3000)),
    <<_, Tail/binary>> = <<"xsub">>,
    <<Part:3/binary, _/binary>> = binary:copy(<<"abcdef">>, 100),
    [begin
        ok = gen_tcp:send(S, Data),
        Expected = iolist_to_binary(Data),
        Expected = tcp_pairs:peer_recv(Peer, byte_size(Expected))
    end || Data <- [<<"binary">>, "list", [<<"a">> | <<"tail">>], ["a", [$b, <<"c">>, [[$d]]]],
                    [[[]], [<<>>], 0, 255], Tail, Part, [Part, Tail | Part], Deep,
                    binary:copy(<<"big">>, 50000), lists:seq(0, 255)]],
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% Anything else is einval, transmits nothing and hurts nobody.
send_refuses_what_is_no_iodata(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    %% The stock driver reports each of these as an error of the port.
    #{level := Level} = logger:get_primary_config(),
    ok = logger:set_primary_config(level, none),
    Results = [outcome(fun() -> gen_tcp:send(S, Data) end)
               || Data <- [foo, [300], [-1], [foo], [a | b], ["good", bad], ["good" | $b],
                           <<1:3>>, [<<1:3>>], 1.5, {a}, self(), #{}]],
    ok = logger:set_primary_config(level, Level),
    [{error, einval}] = lists:usort(Results),
    ok = gen_tcp:send(S, "fine"),
    <<"fine">> = tcp_pairs:peer_recv(Peer, 4),
    {ok, [{send_cnt, 1}]} = inet:getstat(S, [send_cnt]),
    ok = gen_tcp:close(S),
    {<<>>, closed} = tcp_pairs:peer_recv_all(Peer),
    tcp_pairs:peer_close(Peer).

%% In raw mode an empty send is ok, counts, and transmits nothing.
empty_send_transmits_nothing(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    [ok, ok, ok] = [gen_tcp:send(S, Empty) || Empty <- ["", <<>>, [[], <<>>]]],
    {ok, [{send_cnt, 3}, {send_oct, 0}]} = inet:getstat(S, [send_cnt, send_oct]),
    ok = gen_tcp:close(S),
    {<<>>, closed} = tcp_pairs:peer_recv_all(Peer),
    tcp_pairs:peer_close(Peer).

%% An empty packet is a packet.
empty_send_in_packet_mode_transmits_a_header(_Config) ->
    [begin
        {S, Peer} = tcp_pairs:connect_to_peer([{packet, Packet}]),
        ok = gen_tcp:send(S, ""),
        Header = tcp_pairs:peer_recv(Peer, Packet),
        Header = <<0:Packet/unit:8>>,
        tcp_pairs:peer_send(Peer, Header),
        {ok, <<>>} = gen_tcp:recv(S, 0, 5000),
        ok = gen_tcp:close(S),
        tcp_pairs:peer_close(Peer)
    end || Packet <- [1, 2, 4]],
    ok.

%% Send and recv are not only for the owner.
any_process_may_send_and_receive(_Config) ->
    {C, S} = tcp_pairs:pair(),
    ok = by_another(fun() -> gen_tcp:send(C, "by another") end),
    {ok, <<"by another">>} = by_another(fun() -> gen_tcp:recv(S, 10, 5000) end),
    ok = gen_tcp:close(C),
    ok = gen_tcp:close(S).

%% Each send is on the wire in one piece.
sends_of_many_processes_are_not_mixed(_Config) ->
    {C, S} = tcp_pairs:pair(),
    Self = self(),
    Senders = [spawn_link(fun() ->
        [ok = gen_tcp:send(C, binary:copy(<<Byte>>, 1000)) || _ <- lists:seq(1, 20)],
        Self ! {done, self()}
    end) || Byte <- "abcdefghij"],
    Pieces = [begin {ok, Piece} = gen_tcp:recv(S, 1000, 10000), Piece end
              || _ <- lists:seq(1, 200)],
    [receive {done, Sender} -> ok end || Sender <- Senders],
    Counts = [length([Piece || <<First, _/binary>> = Piece <- Pieces,
                               First =:= Byte, Piece =:= binary:copy(<<Byte>>, 1000)])
              || Byte <- "abcdefghij"],
    [20] = lists:usort(Counts),
    ok = gen_tcp:close(C),
    ok = gen_tcp:close(S).

%%
%% recv
%%

recv_of_a_length_gives_exactly_that(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    tcp_pairs:peer_send(Peer, lists:seq(0, 255)),
    [begin
        {ok, Data} = gen_tcp:recv(S, N, 5000),
        N = byte_size(Data)
    end || N <- [1, 2, 3, 100, 149, 1]],
    {error, timeout} = gen_tcp:recv(S, 1, 0),
    Large = binary:copy(<<"0123456789">>, 100000),
    Sender = spawn_link(fun() -> tcp_pairs:peer_send(Peer, Large) end),
    {ok, Large} = gen_tcp:recv(S, 1000000, 10000),
    eventually(fun() -> not is_process_alive(Sender) end),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% A recv that waits is not content with less.
recv_of_a_length_waits_for_all_of_it(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    Receiver = do_receiver(S, 6, infinity),
    tcp_pairs:peer_send(Peer, "abc"),
    arrived(S, 3),
    at_rest(Receiver),
    tcp_pairs:peer_send(Peer, "defgh"),
    {ok, <<"abcdef">>} = do_received(Receiver),
    {ok, <<"gh">>} = gen_tcp:recv(S, 0, 5000),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% 64 MiB is the most that can be asked for.
recv_length_limits(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    {error, enomem} = gen_tcp:recv(S, 16#4000001, 0),
    {error, enomem} = gen_tcp:recv(S, 16#7fffffff, 0),
    [{raised, error, function_clause} = outcome(fun() -> gen_tcp:recv(S, N, 0) end)
     || N <- [-1, foo, 1.5]],
    tcp_pairs:peer_send(Peer, "fine"),
    {ok, <<"fine">>} = gen_tcp:recv(S, 4, 5000),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% Nothing is consumed by the refusal.
recv_of_a_length_in_packet_mode(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    [begin
        ok = inet:setopts(S, [{packet, Packet}]),
        {error, einval} = gen_tcp:recv(S, 3, 1000),
        tcp_pairs:peer_send(Peer, Wire),
        {error, einval} = gen_tcp:recv(S, 3, 1000),
        {ok, Data} = gen_tcp:recv(S, 0, 5000)
    end || {Packet, Wire, Data} <- [{1, <<5, "hello">>, <<"hello">>},
                                    {2, <<5:16, "hello">>, <<"hello">>},
                                    {4, <<5:32, "hello">>, <<"hello">>},
                                    {line, <<"hello\n">>, <<"hello\n">>},
                                    {http, <<"GET / HTTP/1.1\r\n">>,
                                     {http_request, 'GET', {abs_path, "/"}, {1, 1}}}]],
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% recv is for passive sockets.
recv_while_active(_Config) ->
    [begin
        {S, Peer} = tcp_pairs:connect_to_peer([{active, Active}]),
        {error, einval} = gen_tcp:recv(S, 0, 0),
        {error, einval} = gen_tcp:recv(S, 1),
        ok = gen_tcp:close(S),
        tcp_pairs:peer_close(Peer)
    end || Active <- [true, once, 5]],
    ok.

%% There is one recv at a time, and the first keeps its place.
recv_while_another_waits(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    Receiver = do_receiver(S, 0, infinity),
    {error, ealready} = gen_tcp:recv(S, 0),
    {error, ealready} = gen_tcp:recv(S, 0, 0),
    {error, ealready} = gen_tcp:recv(S, 10, 1000),
    tcp_pairs:peer_send(Peer, "for the first"),
    {ok, <<"for the first">>} = do_received(Receiver),
    {error, timeout} = gen_tcp:recv(S, 0, 0),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% 0 takes what is there; what is no integer and not infinity raises.
recv_timeouts(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    {error, timeout} = gen_tcp:recv(S, 0, 0),
    {error, timeout} = gen_tcp:recv(S, 0, 20),
    [{raised, error, function_clause} = outcome(fun() -> gen_tcp:recv(S, 0, Timeout) end)
     || Timeout <- [foo, 1.5, "1"]],
    tcp_pairs:peer_send(Peer, "ready"),
    arrived(S, 5),
    {ok, <<"ready">>} = gen_tcp:recv(S, 0, 0),
    %% A negative timeout is no timeout.
    Receiver = do_receiver(S, 0, -1),
    tcp_pairs:peer_send(Peer, "late"),
    {ok, <<"late">>} = do_received(Receiver),
    ok = mailbox:none(),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% What had arrived of N bytes is there for the next recv.
recv_timeout_loses_nothing(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    tcp_pairs:peer_send(Peer, "abc"),
    arrived(S, 3),
    {error, timeout} = gen_tcp:recv(S, 10, 20),
    {ok, <<"abc">>} = gen_tcp:recv(S, 0, 0),
    tcp_pairs:peer_send(Peer, "defg"),
    arrived(S, 7),
    {error, timeout} = gen_tcp:recv(S, 5, 0),
    {error, timeout} = gen_tcp:recv(S, 6, 0),
    {ok, <<"d">>} = gen_tcp:recv(S, 1, 0),
    tcp_pairs:peer_send(Peer, "hi"),
    {ok, <<"efghi">>} = gen_tcp:recv(S, 5, 5000),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% The bytes of a recv that timed out come as a message when armed.
recv_timeout_loses_nothing_when_then_armed(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    tcp_pairs:peer_send(Peer, "abc"),
    arrived(S, 3),
    {error, timeout} = gen_tcp:recv(S, 10, 20),
    ok = inet:setopts(S, [{active, once}]),
    receive {tcp, S, <<"abc">>} -> ok end,
    {error, timeout} = gen_tcp:recv(S, 0, 0),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% The same with half a packet.
recv_timeout_in_packet_mode_loses_nothing(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, 4}]),
    Wire = <<5:32, "hello", 5:32, "world">>,
    [begin
        tcp_pairs:peer_send(Peer, Piece),
        arrived(S, Total),
        Expected = [gen_tcp:recv(S, 0, 0) || _ <- Expected]
    end || {Piece, Total, Expected} <- [
        {binary:part(Wire, 0, 3), 3, [{error, timeout}]},
        {binary:part(Wire, 3, 3), 6, [{error, timeout}]},
        {binary:part(Wire, 6, 5), 11, [{ok, <<"hello">>}, {error, timeout}]},
        {binary:part(Wire, 11, 7), 18, [{ok, <<"world">>}, {error, timeout}]}
    ]],
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% recv(S, 0) in raw mode gives what there is.
recv_of_what_is_available(Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    Buffer = running_otp:buffer(),
    Size = 2 * Buffer + 1240,
    tcp_pairs:peer_send(Peer, binary:copy(<<"x">>, Size)),
    arrived(S, Size),
    {ok, First} = gen_tcp:recv(S, 0, 5000),
    Rest = do_recv_sizes(S, Size - byte_size(First)),
    case driver_groups:on_stock(Config) of
        true ->
            [Buffer, Buffer, 1240] = [byte_size(First) | Rest];
        false ->
            %% A chunk is sized by what arrived, not by the default buffer.
            true = byte_size(First) > Buffer
    end,
    {error, timeout} = gen_tcp:recv(S, 0, 0),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% A buffer that the user has set bounds each chunk.
recv_is_bounded_by_the_buffer(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{buffer, 3000}]),
    tcp_pairs:peer_send(Peer, binary:copy(<<"x">>, 10000)),
    arrived(S, 10000),
    [3000, 3000, 3000, 1000] = do_recv_sizes(S, 10000),
    ok = inet:setopts(S, [{buffer, 100}]),
    tcp_pairs:peer_send(Peer, binary:copy(<<"x">>, 250)),
    arrived(S, 10250),
    [100, 100, 50] = do_recv_sizes(S, 250),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% The bytes that a timed out recv(S, N) had collected are one chunk.
bytes_of_a_recv_that_timed_out_come_first(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    tcp_pairs:peer_send(Peer, "abc"),
    arrived(S, 3),
    {error, timeout} = gen_tcp:recv(S, 10, 20),
    tcp_pairs:peer_send(Peer, "defgh"),
    arrived(S, 8),
    {ok, <<"abc">>} = gen_tcp:recv(S, 0, 0),
    {ok, <<"defgh">>} = gen_tcp:recv(S, 5, 5000),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%%
%% The end of the stream
%%

%% With fewer than N bytes left there is only the end.
eof_with_too_few_bytes(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{exit_on_close, false}]),
    tcp_pairs:peer_send(Peer, "abc"),
    tcp_pairs:peer_shutdown(Peer, write),
    tcp_pairs:eof_arrived(S),
    {error, closed} = gen_tcp:recv(S, 10, 5000),
    {error, closed} = gen_tcp:recv(S, 0, 5000),
    {error, closed} = gen_tcp:recv(S, 1, 5000),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% Also when the end comes while recv waits
eof_while_recv_waits_for_more(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    tcp_pairs:peer_send(Peer, "abc"),
    Receiver = do_receiver(S, 10, infinity),
    tcp_pairs:peer_close(Peer),
    {error, closed} = do_received(Receiver),
    {error, enotconn} = gen_tcp:recv(S, 0, 5000),
    ok = gen_tcp:close(S).

%% A partial packet is lost as well.
eof_with_a_partial_packet(_Config) ->
    [begin
        {S, Peer} = tcp_pairs:connect_to_peer([{packet, Packet}]),
        tcp_pairs:peer_send(Peer, Wire),
        tcp_pairs:peer_close(Peer),
        tcp_pairs:eof_arrived(S),
        {error, closed} = gen_tcp:recv(S, 0, 5000),
        {error, enotconn} = gen_tcp:recv(S, 0, 5000),
        ok = gen_tcp:close(S)
    end || {Packet, Wire} <- [{2, <<5:16, "hell">>}, {4, <<0, 0, 0>>}, {line, "no newline"}]],
    ok.

%% Complete packets come first; what is left of the last one is lost.
eof_behind_packets(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, line}]),
    tcp_pairs:peer_send(Peer, "one\ntwo\nthree\nfou"),
    tcp_pairs:peer_close(Peer),
    [{ok, <<"one\n">>}, {ok, <<"two\n">>}, {ok, <<"three\n">>}, {error, closed}] =
        [gen_tcp:recv(S, 0, 5000) || _ <- [1, 2, 3, 4]],
    ok = gen_tcp:close(S).

%% Anybody's close wakes a blocked recv.
close_wakes_recv(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    Receiver = do_receiver(S, 0, infinity),
    ok = gen_tcp:close(S),
    {error, closed} = do_received(Receiver),
    tcp_pairs:peer_close(Peer).

%% The owner itself waits in recv, and gets no exit signal besides.
close_by_another_wakes_recv_of_an_owner_that_traps_exits(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    Peer = tcp_pairs:peer_connect(Port),
    Self = self(),
    {Owner, Monitor} = spawn_monitor(fun() ->
        process_flag(trap_exit, true),
        {ok, S} = gen_tcp:accept(L, 5000),
        Self ! {socket, S},
        Result = gen_tcp:recv(S, 0),
        exit({Result, [Exit || {'EXIT', _, _} = Exit <- flush()]})
    end),
    S = receive {socket, Socket} -> Socket end,
    at_rest(Owner),
    ok = gen_tcp:close(S),
    receive {'DOWN', Monitor, process, Owner, Reason} -> {{error, closed}, []} = Reason end,
    tcp_pairs:peer_close(Peer),
    ok = gen_tcp:close(L).

%% On stock the dead process keeps its place: the next recv is ealready, and data is
%% lost on it. Here the next recv gets it.
killed_receiver_takes_nothing_with_it(Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    Receiver = do_receiver(S, 0, infinity),
    exit(Receiver, kill),
    receive {'DOWN', _, process, Receiver, killed} -> ok end,
    case driver_groups:on_stock(Config) of
        true ->
            {error, ealready} = gen_tcp:recv(S, 0, 0);
        false ->
            %% The stock driver keeps the dead process' request and gives it
            %% the data, which is then lost. That is not copied.
            ok = tcp_pairs:peer_send(Peer, "kept"),
            {ok, <<"kept">>} = gen_tcp:recv(S, 0, 5000)
    end,
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%%
%% unrecv, shutdown, close
%%

%% As much as anybody likes, and it keeps its order.
unrecv_of_any_length(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    Size = 130 * 1024 * 1024,
    ok = gen_tcp:unrecv(S, [<<"first">>, binary:copy(<<0>>, Size), <<"last">>]),
    {ok, <<"first">>} = gen_tcp:recv(S, 5, 5000),
    skip(S, Size),
    {ok, <<"last">>} = gen_tcp:recv(S, 4, 5000),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

skip(_S, 0) ->
    ok;
skip(S, Left) ->
    Size = min(Left, 16 * 1024 * 1024),
    {ok, Data} = gen_tcp:recv(S, Size, 5000),
    Data = binary:copy(<<0>>, Size),
    skip(S, Left - Size).

%% The last bytes pushed back are the first read.
unrecv_goes_in_front(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    tcp_pairs:peer_send(Peer, "fromthepeer"),
    {ok, <<"from">>} = gen_tcp:recv(S, 4, 5000),
    ok = gen_tcp:unrecv(S, <<"from">>),
    ok = gen_tcp:unrecv(S, "2"),
    ok = gen_tcp:unrecv(S, ["1", []]),
    {ok, <<"12fromthepeer">>} = gen_tcp:recv(S, 13, 5000),
    {error, timeout} = gen_tcp:recv(S, 0, 0),
    ok = gen_tcp:unrecv(S, <<"only">>),
    {ok, <<"only">>} = gen_tcp:recv(S, 0, 0),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% Pushed bytes are parsed as packets and counted again.
unrecv_is_parsed_and_counted(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, 2}]),
    tcp_pairs:peer_send(Peer, <<5:16, "hello">>),
    {ok, <<"hello">>} = gen_tcp:recv(S, 0, 5000),
    ok = gen_tcp:unrecv(S, <<3:16, "two">>),
    ok = gen_tcp:unrecv(S, <<3:16, "one">>),
    {ok, <<"one">>} = gen_tcp:recv(S, 0, 0),
    {ok, <<"two">>} = gen_tcp:recv(S, 0, 0),
    {ok, [{recv_cnt, 3}, {recv_oct, 17}]} = inet:getstat(S, [recv_cnt, recv_oct]),
    %% Half of a packet is completed by what comes from the peer.
    ok = gen_tcp:unrecv(S, <<5:16, "wor">>),
    {error, timeout} = gen_tcp:recv(S, 0, 0),
    tcp_pairs:peer_send(Peer, "ld"),
    {ok, <<"world">>} = gen_tcp:recv(S, 0, 5000),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% Another one raises and the connection goes on.
shutdown_argument(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    [{raised, error, function_clause} = outcome(fun() -> gen_tcp:shutdown(S, How) end)
     || How <- [foo, "read", 1, readwrite]],
    ok = gen_tcp:send(S, "still open"),
    <<"still open">> = tcp_pairs:peer_recv(Peer, 10),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% After shutdown(write) the peer sees the end, and can answer.
shutdown_write_leaves_reading(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    ok = gen_tcp:send(S, "question"),
    ok = gen_tcp:shutdown(S, write),
    ok = gen_tcp:shutdown(S, write),
    {<<"question">>, closed} = tcp_pairs:peer_recv_all(Peer),
    tcp_pairs:peer_send(Peer, "answer"),
    {ok, <<"answer">>} = gen_tcp:recv(S, 6, 5000),
    tcp_pairs:peer_close(Peer),
    {error, closed} = gen_tcp:recv(S, 0, 5000),
    ok = gen_tcp:close(S).

%% recv says closed; with `exit_on_close' false sends go on.
shutdown_read(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{exit_on_close, false}]),
    ok = gen_tcp:shutdown(S, read),
    {error, closed} = gen_tcp:recv(S, 0, 5000),
    ok = gen_tcp:send(S, "goes on"),
    <<"goes on">> = tcp_pairs:peer_recv(Peer, 7),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(Peer).

%% Close takes one tcp_closed of its socket and leaves the rest.
close_cleans_the_mailbox(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{active, 1}]),
    tcp_pairs:peer_send(Peer, "data"),
    do_mailbox_holds(2),
    ok = inet:setopts(S, [{active, true}]),
    tcp_pairs:peer_close(Peer),
    do_mailbox_holds(3),
    ok = gen_tcp:close(S),
    [{tcp, S, <<"data">>}, {tcp_passive, S}] = flush(),
    self() ! {tcp_closed, S},
    self() ! {tcp_closed, other},
    self() ! {tcp_error, S, econnreset},
    ok = gen_tcp:close(S),
    [{tcp_closed, other}, {tcp_error, S, econnreset}] = flush(),
    ok.

%% function_clause in most calls, badarg in those for monitors.
non_sockets_raise(_Config) ->
    [{raised, error, function_clause} = outcome(fun() -> apply(Module, Function, Args) end)
     || {Module, Function, Args} <- [
        {gen_tcp, send, [foo, ""]}, {gen_tcp, recv, [foo, 0]}, {gen_tcp, recv, [foo, 0, 0]},
        {gen_tcp, close, [foo]}, {gen_tcp, accept, [foo]}, {gen_tcp, accept, [foo, 0]},
        {gen_tcp, shutdown, [foo, read]}, {gen_tcp, unrecv, [foo, ""]},
        {gen_tcp, controlling_process, [foo, self()]},
        {inet, close, [foo]}, {inet, setopts, [foo, []]}, {inet, getopts, [foo, []]},
        {inet, peername, [foo]}, {inet, sockname, [foo]}, {inet, port, [foo]},
        {inet, getstat, [foo]}, {inet, info, [foo]}]],
    [{raised, error, badarg} = outcome(fun() -> apply(inet, Function, [foo]) end)
     || Function <- [monitor, cancel_monitor]],
    ok.

%% Both ends send a lot before they read.
large_data_both_ways(_Config) ->
    {C, S} = tcp_pairs:pair(),
    Size = 3_000_000,
    Data = fun(Byte) -> binary:copy(<<Byte>>, Size) end,
    Ends = [spawn_monitor(fun() ->
        Sender = spawn_link(fun() ->
            [ok = gen_tcp:send(Socket, Part) || <<Part:10000/binary>> <= Data(Own)],
            receive done -> ok end
        end),
        {ok, Received} = gen_tcp:recv(Socket, Size, 20000),
        exit({at_rest(Sender), Received =:= Data(Others)})
    end) || {Socket, Own, Others} <- [{C, $c, $s}, {S, $s, $c}]],
    [receive {'DOWN', Monitor, process, End, Reason} -> {ok, true} = Reason end
     || {End, Monitor} <- Ends],
    ok = gen_tcp:close(C),
    ok = gen_tcp:close(S).

%%
%% fdopen
%%

%% A socket on a descriptor of somebody else, passive and with lists;
%% closing it leaves the descriptor open.
fdopen(_Config) ->
    {C, Peer} = tcp_pairs:connect_to_peer([]),
    {ok, Fd} = socket:getopt(Peer, {otp, fd}),
    {ok, S} = gen_tcp:fdopen(Fd, []),
    {ok, [{active, false}, {mode, list}]} = inet:getopts(S, [active, mode]),
    SockName = inet:sockname(C),
    SockName = inet:peername(S),
    ok = gen_tcp:send(C, "hello"),
    {ok, "hello"} = gen_tcp:recv(S, 5, 5000),
    ok = gen_tcp:send(S, "world"),
    {ok, <<"world">>} = gen_tcp:recv(C, 5, 5000),
    ok = gen_tcp:close(S),
    true = is_gone(S),
    ok = gen_tcp:send(C, "again"),
    <<"again">> = tcp_pairs:peer_recv(Peer, 5),
    ok = gen_tcp:close(C),
    tcp_pairs:peer_close(Peer).

%% A bad number raises; a bad descriptor, family or option is an error.
fdopen_refusals(_Config) ->
    [{raised, error, function_clause} = outcome(fun() -> gen_tcp:fdopen(Fd, []) end)
     || Fd <- [-1, foo, 1.5]],
    {error, ebadf} = gen_tcp:fdopen(99999, []),
    {C, Peer} = tcp_pairs:connect_to_peer([]),
    {ok, Fd} = socket:getopt(Peer, {otp, fd}),
    [{error, einval} = gen_tcp:fdopen(Fd, Opts)
     || Opts <- [[foo], [{foo, bar}], [{active, 'maybe'}], [{ttl, 0}], [inet6]]],
    ok = gen_tcp:send(C, "unharmed"),
    <<"unharmed">> = tcp_pairs:peer_recv(Peer, 8),
    ok = gen_tcp:close(C),
    tcp_pairs:peer_close(Peer).

%%
%% Helpers
%%

%% A process that waits in recv when this returns; monitored, so that a case
%% sees that it has been killed.
do_receiver(S, Length, Timeout) ->
    Self = self(),
    {Receiver, _Monitor} = spawn_monitor(fun() ->
        Self ! {received, self(), gen_tcp:recv(S, Length, Timeout)}
    end),
    at_rest(Receiver),
    Receiver.

do_received(Receiver) ->
    Result = receive {received, Receiver, Got} -> Got end,
    receive {'DOWN', _, process, Receiver, normal} -> Result end.

%% The sizes of the chunks that come to Total bytes.
do_recv_sizes(_S, 0) ->
    [];
do_recv_sizes(S, Total) ->
    {ok, Chunk} = gen_tcp:recv(S, 0, 5000),
    [byte_size(Chunk) | do_recv_sizes(S, Total - byte_size(Chunk))].

%% Waits until there are N messages, without receiving any. Another process
%% counts them: a running process is slow to notice what came to itself.
do_mailbox_holds(N) ->
    Self = self(),
    eventually(fun() ->
        {message_queue_len, N} =:=
            by_another(fun() -> process_info(Self, message_queue_len) end)
    end).
