%% @doc Packets that wait to be asked for one by one: re-armed with `once', or
%% received, or asked for in whatever mix, they are the same on both drivers. On
%% gentcp most of them are in the node before they are asked for (gentcp_ahead).
-module(ahead_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-define(TIMEOUT, 5000).

suite() -> [{timetrap, {seconds, 60}}].

all() ->
    driver_groups:all() ++ cases_of_gentcp().

groups() -> driver_groups:groups(cases()).

init_per_group(Group, Config) -> driver_groups:init(Group, Config).

end_per_group(Group, Config) -> driver_groups:done(Group, Config).

cases() ->
    [burst_once, burst_received, burst_in_any_way, items_in_any_way, armed_twice,
     active_is_false_after_once, statistics, counted_behind_once, always_active_behind_once,
     passive_behind_once, put_back_behind_once, body_behind_headers, packet_type_changed,
     list_mode_behind_once, header_behind_once, passed_on, armed_by_another, received_by_another,
     received_by_several, end_behind_packets, end_behind_packets_received, half_closed, reset_behind_packets,
     too_long_behind_packets, closed_by_another, owner_dies,

     items_once, items_received, other_types_in_any_way, lines_cut_by_the_buffer, any_mix,
     stream_in_any_way, stream_of_empty_packets, length_behind_once, port_data_behind_once,
     asked_about_by_another, asked_about_elsewhere, stream_for_several, armed_by_several,
     armed_by_the_killed,
     end_behind_part, end_behind_packets_half_closed, failed_send_behind_packets,
     shut_down_behind_once, too_long_behind_once, item_too_long_behind_once,
     closed_with_packets_left, owner_dies_with_packets_left].

cases_of_gentcp() ->
    [no_round_trip, killed_receivers, takers_and_askers, loan_too_late, loan_revoked, numbers_begin_again,
     no_slot, router_has_ended,

     no_round_trip_for_receivers, no_round_trip_for_items, loans_without_a_port_program,
     loan_goes_on, loan_goes_on_too_late, answered_late, small_parts_are_copied,
     part_of_a_loan_unseen, command_not_sent, command_too_long, numbers_of_a_socket_begin_again,
     program_killed].

%%
%% Taken one by one
%%

%% B-1: as long as there are packets, one is in the mailbox when setopts returns.
burst_once(_) ->
    do_with_packets(fun(S, Packets) ->
        [begin
             ok = inet:setopts(S, [{active, once}]),
             ?assertEqual({tcp, S, Packet}, do_now())
         end || Packet <- Packets],
        ok = inet:setopts(S, [{active, once}]),
        ?assertEqual(none, do_now())
    end).

burst_received(_) ->
    do_with_packets(fun(S, Packets) ->
        [?assertEqual({ok, Packet}, gen_tcp:recv(S, 0, ?TIMEOUT)) || Packet <- Packets],
        ?assertEqual({error, timeout}, gen_tcp:recv(S, 0, 0))
    end).

%% Whatever is asked in between, no packet is lost, comes twice or in another order.
burst_in_any_way(_) ->
    Seed = rand:seed(exsss),
    ct:log("seed ~p", [rand:export_seed_s(Seed)]),
    [do_with_packets(fun(S, Packets) -> [do_any_way(S, tcp, Packet) || Packet <- Packets] end)
     || _ <- lists:seq(1, 5)].

items_in_any_way(_) ->
    Seed = rand:seed(exsss),
    ct:log("seed ~p", [rand:export_seed_s(Seed)]),
    [begin
         Stream = iolist_to_binary(lists:duplicate(50, do_request())),
         {S, Peer} = tcp_pairs:connect_to_peer([{packet, Mode}]),
         tcp_pairs:peer_send(Peer, Stream),
         tcp_pairs:arrived(S, byte_size(Stream)),
         [do_any_way(S, http, Item) || Item <- do_items(Mode, Stream)],
         do_close(S, Peer)
     end || Mode <- [http_bin, http, httph_bin]].

%% N-2: `once' is for one packet each time, also when nobody has looked at the last one.
armed_twice(_) ->
    do_with_packets(fun(S, [A, B, C, D | _]) ->
        [ok = inet:setopts(S, [{active, once}]) || _ <- [A, B, C, D]],
        ?assertEqual([{tcp, S, P} || P <- [A, B, C, D]], [do_now() || _ <- [A, B, C, D]]),
        ?assertEqual(none, do_now())
    end).

active_is_false_after_once(_) ->
    do_with_packets(fun(S, Packets) ->
        [begin
             ok = inet:setopts(S, [{active, once}]),
             {tcp, S, Packet} = do_now(),
             ?assertEqual({ok, [{active, false}]}, inet:getopts(S, [active]))
         end || Packet <- lists:sublist(Packets, 20)]
    end).

%% I-3: a packet counts when it is delivered.
statistics(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, 1}]),
    Sizes = [N rem 50 || N <- lists:seq(1, 200)],
    Stream = << <<Size, 0:Size/unit:8>> || Size <- Sizes >>,
    tcp_pairs:peer_send(Peer, Stream),
    tcp_pairs:arrived(S, byte_size(Stream)),
    lists:foldl(fun(Size, {N, Octets, Max}) ->
        case N rem 3 of
            0 -> {ok, _} = gen_tcp:recv(S, 0, ?TIMEOUT);
            _ -> ok = inet:setopts(S, [{active, once}]), {tcp, S, _} = do_now()
        end,
        Now = {N + 1, Octets + Size + 1, max(Max, Size + 1)},
        {Count, Octets1, Max1} = Now,
        N rem 7 =:= 0 andalso
            ?assertEqual({ok, [{recv_cnt, Count}, {recv_oct, Octets1}, {recv_max, Max1}]},
                         inet:getstat(S, [recv_cnt, recv_oct, recv_max])),
        Now
    end, {0, 0, 0}, Sizes),
    do_close(S, Peer).

%% H-2: each kind of line of a request.
items_once(_) ->
    do_with_items(fun(S, Items) ->
        [begin
             ok = inet:setopts(S, [{active, once}]),
             ?assertEqual({http, S, Item}, do_now())
         end || Item <- Items],
        ok = inet:setopts(S, [{active, once}]),
        ?assertEqual(none, do_now())
    end).

items_received(_) ->
    do_with_items(fun(S, Items) ->
        [?assertEqual({ok, Item}, gen_tcp:recv(S, 0, ?TIMEOUT)) || Item <- Items],
        ?assertEqual({error, timeout}, gen_tcp:recv(S, 0, 0))
    end).

%% The types whose header is a part of the packet, and ssl_tls, which is never lent.
other_types_in_any_way(_) ->
    do_seed(1),
    Data = [binary:copy(<<N>>, N) || N <- lists:seq(1, 100)],
    [begin
         {S, Peer} = tcp_pairs:connect_to_peer([{packet, Type}]),
         Stream = iolist_to_binary([Frame(D) || D <- Data]),
         tcp_pairs:peer_send(Peer, Stream),
         tcp_pairs:arrived(S, byte_size(Stream)),
         [do_any_way(S, tcp, Frame(D)) || D <- Data],
         do_close(S, Peer)
     end || {Type, Frame} <-
                [{asn1, fun(D) -> <<48, (byte_size(D)), D/binary>> end},
                 {sunrm, fun(D) -> <<1:1, (byte_size(D)):31, D/binary>> end},
                 {cdr, fun(D) -> <<"GIOP", 1, 2, 0, 0, (byte_size(D)):32, D/binary>> end},
                 {fcgi, fun(D) -> <<1, 5, 1:16, (byte_size(D)):16, 0, 0, D/binary>> end},
                 {tpkt, fun(D) -> <<3, 0, (byte_size(D) + 4):16, D/binary>> end}]],
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, ssl_tls}]),
    Stream = << <<22, 3, 3, (byte_size(D)):16, D/binary>> || D <- Data >>,
    tcp_pairs:peer_send(Peer, Stream),
    tcp_pairs:arrived(S, byte_size(Stream)),
    [case N rem 2 of
         0 -> ?assertEqual({ok, {ssl_tls, S, 22, {3, 3}, D}}, gen_tcp:recv(S, 0, ?TIMEOUT));
         1 -> ok = inet:setopts(S, [{active, once}]),
              ?assertEqual({ssl_tls, S, 22, {3, 3}, D}, do_now())
     end || {N, D} <- lists:zip(lists:seq(1, 100), Data)],
    do_close(S, Peer).

%% A line that is longer than the buffer comes in parts, also among others.
lines_cut_by_the_buffer(_) ->
    do_seed(2),
    Lines = [<<(binary:copy(<<"x">>, rand:uniform(350) - 1))/binary, "\n">> || _ <- lists:seq(1, 150)],
    {S, Peer} = do_packets(line, Lines, [{buffer, 100}]),
    [do_any_way(S, tcp, Part) || Line <- Lines, Part <- do_parts(100, Line)],
    do_close(S, Peer).

%% Everything that may be asked of a passive socket, in a random order, against a model:
%% what is left of the stream, and what has been counted.
any_mix(_) ->
    [begin
         do_seed(Seed),
         Script = [do_segment(lists:nth(rand:uniform(6), [1, 2, 4, line, http_bin, raw]))
                   || _ <- lists:seq(1, 12)],
         Stream = iolist_to_binary([Octets || {_Mode, Packets} <- Script, {_Data, Octets} <- Packets]),
         {S, Peer} = tcp_pairs:connect_to_peer([{packet, raw}]),
         tcp_pairs:peer_send(Peer, Stream),
         tcp_pairs:arrived(S, byte_size(Stream)),
         tcp_pairs:peer_shutdown(Peer, write),
         tcp_pairs:eof_arrived(S),
         {Count, Octets, _Max} = do_mix(S, Script, {0, 0, 0}),
         ct:log("~b packets, ~b octets of ~b", [Count, Octets, byte_size(Stream)]),
         ?assertEqual({error, closed}, gen_tcp:recv(S, 0, ?TIMEOUT)),
         ?assertEqual(none, do_now()),
         do_close(S, Peer)
     end || Seed <- lists:seq(1, 20)].

%% Packets that arrive while others are taken, of all sizes.
stream_in_any_way(_) ->
    do_seed(3),
    Packets = [<<N:32, (binary:copy(<<"x">>, case N rem 50 of
                                                 0 -> rand:uniform(60_000);
                                                 _ -> rand:uniform(100)
                                             end))/binary>> || N <- lists:seq(1, 2000)],
    do_with_stream(4, Packets, fun(S, Finish) ->
        do_stream_any_way(S, Packets),
        Finish(),
        ok = inet:setopts(S, [{active, once}]),
        ?assertEqual({tcp_closed, S}, do_next())
    end).

%% Many more than fit into what is lent at a time.
stream_of_empty_packets(_) ->
    Packets = lists:duplicate(200_000, <<>>),
    do_with_stream(1, Packets, fun(S, Finish) ->
        Finish(),
        [begin
             ok = inet:setopts(S, [{active, once}]),
             {tcp, S, <<>>} = do_next()
         end || <<>> <- Packets],
        ?assertEqual({ok, [{recv_cnt, 200_000}]}, inet:getstat(S, [recv_cnt])),
        ok = inet:setopts(S, [{active, once}]),
        ?assertEqual({tcp_closed, S}, do_next())
    end).

%%
%% Something else in the middle
%%

counted_behind_once(_) ->
    do_with_packets(fun(S, [A, B, C, D, E | _]) ->
        [begin ok = inet:setopts(S, [{active, once}]), {tcp, S, P} = do_now() end || P <- [A, B]],
        ok = inet:setopts(S, [{active, 2}]),
        ?assertEqual([{tcp, S, C}, {tcp, S, D}, {tcp_passive, S}], [do_next() || _ <- [c, d, passive]]),
        ?assertEqual({ok, E}, gen_tcp:recv(S, 0, ?TIMEOUT))
    end).

always_active_behind_once(_) ->
    do_with_packets(fun(S, [A, B | Rest]) ->
        [begin ok = inet:setopts(S, [{active, once}]), {tcp, S, P} = do_now() end || P <- [A, B]],
        ok = inet:setopts(S, [{active, true}]),
        [?assertEqual({tcp, S, P}, do_next()) || P <- Rest]
    end).

passive_behind_once(_) ->
    do_with_packets(fun(S, [A, B, C, D | _]) ->
        [begin ok = inet:setopts(S, [{active, once}]), {tcp, S, P} = do_now() end || P <- [A, B]],
        ok = inet:setopts(S, [{active, false}]),
        ?assertEqual([{ok, C}, {ok, D}], [gen_tcp:recv(S, 0, ?TIMEOUT) || _ <- [c, d]]),
        ?assertEqual(none, do_now())
    end).

%% D-14: what is put back comes before what has been read already.
put_back_behind_once(_) ->
    {S, Peer} = do_packets(1, [<<"a">>, <<"b">>, <<"c">>]),
    ok = inet:setopts(S, [{active, once}]),
    {tcp, S, <<"a">>} = do_now(),
    ok = gen_tcp:unrecv(S, <<1, "x">>),
    ok = inet:setopts(S, [{active, once}]),
    ?assertEqual({tcp, S, <<"x">>}, do_now()),
    ok = inet:setopts(S, [{active, once}]),
    ?assertEqual({tcp, S, <<"b">>}, do_now()),
    ok = gen_tcp:unrecv(S, <<1, "y">>),
    ?assertEqual([{ok, <<"y">>}, {ok, <<"c">>}], [gen_tcp:recv(S, 0, ?TIMEOUT) || _ <- [y, c]]),
    do_close(S, Peer).

%% H-2, Q-2: the body of a request is taken raw, and the next request is parsed again.
body_behind_headers(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, http_bin}]),
    Requests = [{N, binary:copy(<<"body ">>, N)} || N <- lists:seq(1, 30)],
    Stream = iolist_to_binary([["POST /", integer_to_list(N), " HTTP/1.1\r\nX-N: ", integer_to_list(N),
                                "\r\n\r\n", Body] || {N, Body} <- Requests]),
    tcp_pairs:peer_send(Peer, Stream),
    tcp_pairs:arrived(S, byte_size(Stream)),
    [begin
         Path = <<"/", (integer_to_binary(N))/binary>>,
         Ask = case N rem 2 of
                   0 -> fun() -> {ok, Item} = gen_tcp:recv(S, 0, ?TIMEOUT), Item end;
                   1 -> fun() -> ok = inet:setopts(S, [{active, once}]), {http, S, Item} = do_now(), Item end
               end,
         ?assertEqual({http_request, 'POST', {abs_path, Path}, {1, 1}}, Ask()),
         ?assertEqual({http_header, 0, <<"X-N">>, <<"X-N">>, integer_to_binary(N)}, Ask()),
         ?assertEqual(http_eoh, Ask()),
         ok = inet:setopts(S, [{packet, raw}]),
         ?assertEqual({ok, Body}, gen_tcp:recv(S, byte_size(Body), ?TIMEOUT)),
         ok = inet:setopts(S, [{packet, http_bin}])
     end || {N, Body} <- Requests],
    do_close(S, Peer).

packet_type_changed(_) ->
    {S, Peer} = do_packets(2, [<<"a">>, <<"b">>, <<"one\ntwo\n">>]),
    ok = inet:setopts(S, [{active, once}]),
    {tcp, S, <<"a">>} = do_now(),
    ok = inet:setopts(S, [{active, once}]),
    {tcp, S, <<"b">>} = do_now(),
    ok = inet:setopts(S, [{packet, line}]),
    ?assertEqual({ok, <<0, 8, "one\n">>}, gen_tcp:recv(S, 0, ?TIMEOUT)),
    ok = inet:setopts(S, [{active, once}]),
    ?assertEqual({tcp, S, <<"two\n">>}, do_now()),
    do_close(S, Peer).

%% Mode and header are those of the moment of delivery.
list_mode_behind_once(_) ->
    do_with_packets(fun(S, [A, B, C | _]) ->
        ok = inet:setopts(S, [{active, once}]),
        {tcp, S, A} = do_now(),
        ok = inet:setopts(S, [list]),
        ok = inet:setopts(S, [{active, once}]),
        ?assertEqual({tcp, S, binary_to_list(B)}, do_now()),
        ok = inet:setopts(S, [binary]),
        ?assertEqual({ok, C}, gen_tcp:recv(S, 0, ?TIMEOUT))
    end).

%% R-2: a length is refused in the packet modes, and costs no packet.
length_behind_once(_) ->
    do_with_packets(fun(S, [A, B, C | _]) ->
        ok = inet:setopts(S, [{active, once}]),
        {tcp, S, A} = do_now(),
        ?assertEqual({error, einval}, gen_tcp:recv(S, 1, ?TIMEOUT)),
        ?assertEqual({ok, B}, gen_tcp:recv(S, 0, ?TIMEOUT)),
        ?assertEqual({error, einval}, gen_tcp:recv(S, 1, 0)),
        ok = inet:setopts(S, [{active, once}]),
        ?assertEqual({tcp, S, C}, do_now())
    end).

%% The shape of a message is that of the moment of delivery too.
port_data_behind_once(_) ->
    do_with_packets(fun(S, [A, B, C, D | _]) ->
        ok = inet:setopts(S, [{active, once}]),
        {tcp, S, A} = do_now(),
        ok = inet:setopts(S, [{deliver, port}]),
        [begin
             ok = inet:setopts(S, [{active, once}]),
             ?assertEqual({S, {data, P}}, do_now())
         end || P <- [B, C]],
        ok = inet:setopts(S, [{deliver, term}]),
        ok = inet:setopts(S, [{active, once}]),
        ?assertEqual({tcp, S, D}, do_now())
    end).

header_behind_once(_) ->
    {S, Peer} = do_packets(1, [<<"abc">>, <<"def">>, <<"ghi">>]),
    ok = inet:setopts(S, [{active, once}]),
    {tcp, S, <<"abc">>} = do_now(),
    ok = inet:setopts(S, [{header, 1}]),
    ok = inet:setopts(S, [{active, once}]),
    ?assertEqual({tcp, S, [$d | <<"ef">>]}, do_now()),
    ?assertEqual({ok, [$g | <<"hi">>]}, gen_tcp:recv(S, 0, ?TIMEOUT)),
    do_close(S, Peer).

%%
%% Other processes
%%

%% Messages go to whoever is the owner, and what has not been asked for as well.
passed_on(_) ->
    do_with_packets(fun(S, [A, B, C, D, E | _]) ->
        [begin ok = inet:setopts(S, [{active, once}]), {tcp, S, P} = do_now() end || P <- [A, B]],
        ok = inet:setopts(S, [{active, once}]), % in the mailbox, and to be passed on
        Self = self(),
        New = spawn_link(fun() ->
            receive go -> ok end,
            First = do_next(),
            Rest = [begin ok = inet:setopts(S, [{active, once}]), do_now() end || _ <- [d, e]],
            Self ! {got, [First | Rest]},
            receive stop -> ok end
        end),
        ok = gen_tcp:controlling_process(S, New),
        New ! go,
        ?assertEqual({got, [{tcp, S, C}, {tcp, S, D}, {tcp, S, E}]}, do_next()),
        ?assertEqual(none, do_now()),
        New ! stop
    end).

%% N-11: not to who has armed the socket.
armed_by_another(_) ->
    do_with_packets(fun(S, Packets) ->
        [begin
             {ok, _} = tcp_pairs:by_another(fun() ->
                 {inet:setopts(S, [{active, once}]), tcp_pairs:flush()} =:= {ok, []} andalso {ok, armed}
             end),
             ?assertEqual({tcp, S, Packet}, do_next())
         end || Packet <- lists:sublist(Packets, 20)]
    end).

received_by_another(_) ->
    do_with_packets(fun(S, Packets) ->
        [case N rem 2 of
             0 -> ?assertEqual({ok, Packet}, tcp_pairs:by_another(fun() -> gen_tcp:recv(S, 0, ?TIMEOUT) end));
             1 -> ?assertEqual({ok, Packet}, gen_tcp:recv(S, 0, ?TIMEOUT))
         end || {N, Packet} <- lists:zip(lists:seq(1, 20), lists:sublist(Packets, 20))]
    end).

%% Each packet goes to one of them.
received_by_several(_) ->
    do_with_packets(fun(S, Packets) ->
        Receive = fun Receive(Got) ->
            case gen_tcp:recv(S, 0, 0) of
                {ok, Packet} -> Receive([Packet | Got]);
                {error, ealready} -> Receive(Got);
                {error, timeout} -> exit({got, lists:reverse(Got)})
            end
        end,
        Receivers = [spawn_monitor(fun() -> Receive([]) end) || _ <- lists:seq(1, 4)],
        Got = [receive {'DOWN', Ref, process, Pid, {got, Mine}} -> Mine end || {Pid, Ref} <- Receivers],
        ?assertEqual(Packets, lists:sort(lists:append(Got))),
        [?assertEqual(lists:sort(Mine), Mine) || Mine <- Got]
    end).

%% Questions about the socket while its owner takes one packet after the other.
asked_about_by_another(_) ->
    do_with_packets(fun(S, Packets) ->
        Asker = spawn_link(fun() -> do_ask_on(S) end),
        [begin
             ok = inet:setopts(S, [{active, once}]),
             ?assertEqual({tcp, S, Packet}, do_next())
         end || Packet <- Packets],
        do_stop(Asker)
    end).

%% Answers for one socket come in between the packets of another.
asked_about_elsewhere(_) ->
    Packets = [<<N:32>> || N <- lists:seq(1, 2000)],
    {Other, OtherPeer} = tcp_pairs:connect_to_peer([]),
    Askers = [spawn_link(fun() -> do_ask_on(Other) end) || _ <- [1, 2]],
    Takers = [spawn_monitor(fun() ->
                  {S, Peer} = do_packets(2, Packets),
                  [begin
                       ok = inet:setopts(S, [{active, once}]),
                       {tcp, S, Packet} = do_next(),
                       N rem 3 =:= 0 andalso ({ok, _} = inet:getopts(S, [active]))
                   end || {N, Packet} <- lists:zip(lists:seq(1, 2000), Packets)],
                  do_close(S, Peer)
              end) || _ <- [1, 2]],
    [?assertEqual(normal, do_outcome(Taker)) || Taker <- Takers],
    [do_stop(Asker) || Asker <- Askers],
    do_close(Other, OtherPeer).

%% Each packet goes to one of them, in order, while more arrive.
stream_for_several(_) ->
    Packets = [<<N:32>> || N <- lists:seq(1, 5000)],
    do_with_stream(2, Packets, fun(S, Finish) ->
        Finish(),
        Receive = fun Receive(Got) ->
            case gen_tcp:recv(S, 0, ?TIMEOUT) of
                {ok, Packet} -> Receive([Packet | Got]);
                {error, ealready} -> erlang:yield(), Receive(Got);
                {error, _} -> exit({got, lists:reverse(Got)})
            end
        end,
        Receivers = [spawn_monitor(fun() -> Receive([]) end) || _ <- lists:seq(1, 4)],
        Got = [begin {got, Mine} = do_outcome(Receiver), Mine end || Receiver <- Receivers],
        ?assertEqual(Packets, lists:sort(lists:append(Got))),
        [?assertEqual(lists:sort(Mine), Mine) || Mine <- Got]
    end).

%% N-7: the owner gets them in order, whoever has asked for which.
armed_by_several(_) ->
    [begin
         {S, Peer} = do_packets(2, Packets = [<<N:32>> || N <- lists:seq(1, 3000)]),
         tcp_pairs:peer_shutdown(Peer, write),
         tcp_pairs:eof_arrived(S),
         Armers = [spawn_link(fun() -> do_arm_on(S) end) || _ <- lists:seq(1, 4)],
         Got = [do_data(S) || _ <- Packets],
         ?assertEqual([], lists:sublist([{P, G} || {P, G} <- lists:zip(Packets, Got), P =/= G], 5)),
         ?assertEqual({tcp_closed, S}, do_next()),
         [do_ended(Armer) || Armer <- Armers],
         do_close(S, Peer)
     end || _ <- lists:seq(1, 10)].

%% The owner gets what was asked for, whatever becomes of who has asked.
armed_by_the_killed(_) ->
    [begin
         {S, Peer} = do_packets(2, Packets = [<<N:32>> || N <- lists:seq(1, 3000)]),
         tcp_pairs:peer_shutdown(Peer, write),
         tcp_pairs:eof_arrived(S),
         ?assertEqual([], Packets -- do_kill_armers(S, [])),
         do_close(S, Peer)
     end || _ <- lists:seq(1, 10)].

%%
%% The end
%%

%% Part of a packet is dropped at the end, and is no packet.
end_behind_part(_) ->
    [begin
         {S, Peer} = do_packets(2, Packets = [<<"a">>, <<"b">>, <<"c">>], Opts),
         tcp_pairs:peer_send(Peer, <<5:16, "part">>),
         tcp_pairs:peer_shutdown(Peer, write),
         tcp_pairs:eof_arrived(S),
         [begin
              ok = inet:setopts(S, [{active, once}]),
              ?assertEqual({tcp, S, Packet}, do_now())
          end || Packet <- Packets],
         ok = inet:setopts(S, [{active, once}]),
         ?assertEqual({tcp_closed, S}, do_next()),
         ?assertEqual(none, do_now()),
         do_close(S, Peer)
     end || Opts <- [[], [{exit_on_close, false}], [{show_econnreset, true}]]].

end_behind_packets_half_closed(_) ->
    do_with_end(fun(S, Packets) ->
        [begin
             ok = inet:setopts(S, [{active, once}]),
             ?assertEqual({tcp, S, Packet}, do_now())
         end || Packet <- Packets],
        ok = inet:setopts(S, [{active, once}]),
        ?assertEqual({tcp_closed, S}, do_next()),
        %% Open for the other direction, and nothing comes a second time.
        ok = inet:setopts(S, [{active, once}]),
        ?assertEqual(none, do_now()),
        ?assertEqual(ok, gen_tcp:send(S, <<"still here">>))
    end, [{exit_on_close, false}]).

%% A send that fails takes the input with it.
failed_send_behind_packets(_) ->
    [begin
         {S, Peer} = do_packets(1, [<<"a">>, <<"b">>, <<"c">>], [{show_econnreset, true}]),
         ok = inet:setopts(S, [{active, once}]),
         {tcp, S, <<"a">>} = do_now(),
         ok = tcp_pairs:peer_reset(Peer),
         tcp_pairs:reset_arrived(S),
         tcp_pairs:eventually(fun() -> gen_tcp:send(S, <<"x">>) =:= {error, econnreset} end),
         case How of
             armed ->
                 ok = inet:setopts(S, [{active, once}]),
                 ?assertEqual([{tcp_error, S, econnreset}, {tcp_closed, S}], [do_next(), do_next()]);
             received ->
                 ?assertEqual({error, econnreset}, gen_tcp:recv(S, 0, ?TIMEOUT)),
                 ?assertEqual({error, enotconn}, gen_tcp:recv(S, 0, ?TIMEOUT))
         end,
         ok = gen_tcp:close(S)
     end || How <- [armed, received]].

%% What had arrived is still there.
shut_down_behind_once(_) ->
    [begin
         {S, Peer} = do_packets(1, [<<"a">>, <<"b">>, <<"c">>]),
         ok = inet:setopts(S, [{active, once}]),
         {tcp, S, <<"a">>} = do_now(),
         ok = gen_tcp:shutdown(S, How),
         ok = inet:setopts(S, [{active, once}]),
         ?assertEqual({tcp, S, <<"b">>}, do_now()),
         ?assertEqual({ok, <<"c">>}, gen_tcp:recv(S, 0, ?TIMEOUT)),
         ?assertEqual({error, case How of write -> timeout; _ -> closed end}, gen_tcp:recv(S, 0, 0)),
         do_close(S, Peer)
     end || How <- [read, write, read_write]].

%% N-13: also with more behind it, which nobody gets.
too_long_behind_once(_) ->
    [begin
         {S, Peer} = tcp_pairs:connect_to_peer([{packet, 2}, {packet_size, 10} | Opts]),
         Stream = <<1:16, "a", 1:16, "b", 11:16, "too long...", 1:16, "c">>,
         tcp_pairs:peer_send(Peer, Stream),
         tcp_pairs:arrived(S, byte_size(Stream)),
         [begin
              ok = inet:setopts(S, [{active, once}]),
              ?assertEqual({tcp, S, P}, do_now())
          end || P <- [<<"a">>, <<"b">>]],
         ok = inet:setopts(S, [{active, once}]),
         ?assertEqual([{tcp_error, S, emsgsize}, {tcp_closed, S}], [do_next(), do_next()]),
         ?assertEqual(none, do_now()),
         do_close(S, Peer)
     end || Opts <- [[], [{exit_on_close, false}]]].

item_too_long_behind_once(_) ->
    [begin
         {S, Peer} = tcp_pairs:connect_to_peer([{packet, http_bin}, {packet_size, 100}]),
         Stream = iolist_to_binary(["GET / HTTP/1.1\r\nA: 1\r\nB: ", lists:duplicate(300, $x),
                                    "\r\nC: 3\r\n\r\n"]),
         tcp_pairs:peer_send(Peer, Stream),
         tcp_pairs:arrived(S, byte_size(Stream)),
         Line = {http_request, 'GET', {abs_path, <<"/">>}, {1, 1}},
         Header = {http_header, 0, <<"A">>, <<"A">>, <<"1">>},
         case How of
             armed ->
                 [begin
                      ok = inet:setopts(S, [{active, once}]),
                      ?assertEqual({http, S, Item}, do_now())
                  end || Item <- [Line, Header]],
                 ok = inet:setopts(S, [{active, once}]),
                 ?assertEqual([{tcp_error, S, emsgsize}, {tcp_closed, S}], [do_next(), do_next()]);
             received ->
                 [?assertEqual({ok, Item}, gen_tcp:recv(S, 0, ?TIMEOUT)) || Item <- [Line, Header]],
                 ?assertEqual({error, emsgsize}, gen_tcp:recv(S, 0, ?TIMEOUT))
         end,
         do_close(S, Peer)
     end || How <- [armed, received]].

%% The peer sees an orderly end: all that it has sent had been read.
closed_with_packets_left(_) ->
    {S, Peer} = do_packets(1, [<<"a">>, <<"b">>, <<"c">>]),
    ok = inet:setopts(S, [{active, once}]),
    {tcp, S, <<"a">>} = do_now(),
    ok = inet:setopts(S, [{active, once}]), % in the mailbox, where it stays
    ok = gen_tcp:close(S),
    ?assertEqual({error, einval}, inet:setopts(S, [{active, once}])),
    ?assertEqual({error, closed}, gen_tcp:recv(S, 0, ?TIMEOUT)),
    ?assertEqual([{tcp, S, <<"b">>}], tcp_pairs:flush()),
    ?assertEqual({<<>>, closed}, tcp_pairs:peer_recv_all(Peer)),
    tcp_pairs:peer_close(Peer).

%% Nobody who still has the socket gets what is left.
owner_dies_with_packets_left(_) ->
    {S, Peer} = do_packets(1, [<<N>> || N <- lists:seq(1, 100)]),
    Self = self(),
    {Owner, Ref} = spawn_monitor(fun() ->
        receive go -> ok end,
        [begin
             ok = inet:setopts(S, [{active, once}]),
             {tcp, S, <<N>>} = do_now()
         end || N <- lists:seq(1, 50)],
        Self ! half,
        receive stop -> ok end
    end),
    ok = gen_tcp:controlling_process(S, Owner),
    Owner ! go,
    half = do_next(),
    ?assertEqual({ok, <<51>>}, gen_tcp:recv(S, 0, ?TIMEOUT)),
    exit(Owner, kill),
    {'DOWN', Ref, process, Owner, killed} = do_next(),
    ?assertEqual({<<>>, closed}, tcp_pairs:peer_recv_all(Peer)),
    tcp_pairs:eventually(fun() -> tcp_pairs:is_gone(S) end),
    ?assertEqual({error, einval}, inet:setopts(S, [{active, once}])),
    ?assertEqual({error, closed}, gen_tcp:recv(S, 0, ?TIMEOUT)),
    ?assertEqual(none, do_now()),
    tcp_pairs:peer_close(Peer).

%% D-11, N-7: all packets first.
end_behind_packets(_) ->
    do_with_end(fun(S, Packets) ->
        [begin
             ok = inet:setopts(S, [{active, once}]),
             ?assertEqual({tcp, S, Packet}, do_now())
         end || Packet <- Packets],
        ok = inet:setopts(S, [{active, once}]),
        ?assertEqual({tcp_closed, S}, do_now()),
        ?assertEqual({error, einval}, inet:setopts(S, [{active, once}]))
    end, []).

end_behind_packets_received(_) ->
    do_with_end(fun(S, Packets) ->
        [?assertEqual({ok, Packet}, gen_tcp:recv(S, 0, ?TIMEOUT)) || Packet <- Packets],
        ?assertEqual({error, closed}, gen_tcp:recv(S, 0, ?TIMEOUT)),
        ?assertEqual({error, enotconn}, gen_tcp:recv(S, 0, ?TIMEOUT))
    end, []).

half_closed(_) ->
    do_with_end(fun(S, Packets) ->
        [do_any_way(S, tcp, Packet) || Packet <- Packets],
        ?assertEqual({error, closed}, gen_tcp:recv(S, 0, ?TIMEOUT)),
        ?assertEqual(ok, gen_tcp:send(S, <<"still here">>))
    end, [{exit_on_close, false}]).

reset_behind_packets(_) ->
    {S, Peer} = do_packets(1, [<<"a">>, <<"b">>, <<"c">>], [{show_econnreset, true}]),
    ok = inet:setopts(S, [{active, once}]),
    {tcp, S, <<"a">>} = do_now(),
    ok = tcp_pairs:peer_reset(Peer),
    tcp_pairs:reset_arrived(S),
    %% What had been read is delivered, as stock's buffer is.
    ok = inet:setopts(S, [{active, once}]),
    ?assertEqual({tcp, S, <<"b">>}, do_now()),
    ?assertEqual({ok, <<"c">>}, gen_tcp:recv(S, 0, ?TIMEOUT)),
    ok = inet:setopts(S, [{active, once}]),
    ?assertEqual([{tcp_error, S, econnreset}, {tcp_closed, S}], [do_next(), do_next()]).

%% N-13: the packets before it are delivered.
too_long_behind_packets(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, 2}, {packet_size, 10}]),
    Stream = <<1:16, "a", 1:16, "b", 1:16, "c", 11:16, "too long...">>,
    tcp_pairs:peer_send(Peer, Stream),
    tcp_pairs:arrived(S, byte_size(Stream)),
    ok = inet:setopts(S, [{active, once}]),
    {tcp, S, <<"a">>} = do_now(),
    ok = inet:setopts(S, [{active, once}]),
    {tcp, S, <<"b">>} = do_now(),
    ?assertEqual({ok, <<"c">>}, gen_tcp:recv(S, 0, ?TIMEOUT)),
    ?assertEqual({error, emsgsize}, gen_tcp:recv(S, 0, ?TIMEOUT)),
    do_close(S, Peer).

closed_by_another(_) ->
    {S, Peer} = do_packets(1, [<<"a">>, <<"b">>, <<"c">>]),
    ok = inet:setopts(S, [{active, once}]),
    {tcp, S, <<"a">>} = do_now(),
    ok = tcp_pairs:by_another(fun() -> gen_tcp:close(S) end),
    ?assertEqual({error, einval}, inet:setopts(S, [{active, once}])),
    ?assertEqual({error, closed}, gen_tcp:recv(S, 0, ?TIMEOUT)),
    ?assertEqual(none, do_now()),
    do_close(S, Peer).

owner_dies(_) ->
    {S, Peer} = do_packets(1, [<<"a">>, <<"b">>, <<"c">>]),
    Self = self(),
    Owner = spawn(fun() ->
        receive go -> ok end,
        ok = inet:setopts(S, [{active, once}]),
        Self ! do_now(),
        receive stop -> ok end
    end),
    ok = gen_tcp:controlling_process(S, Owner),
    Owner ! go,
    ?assertEqual({tcp, S, <<"a">>}, do_next()),
    exit(Owner, kill),
    tcp_pairs:eventually(fun() -> tcp_pairs:is_gone(S) end),
    ?assertEqual({error, closed}, gen_tcp:recv(S, 0, ?TIMEOUT)),
    do_close(S, Peer).

%%
%% gentcp alone
%%

%% Most packets cost the port program no command.
no_round_trip(_) ->
    do_on_gentcp(fun() ->
        do_with_packets(fun(S, Packets) ->
            #{sent := Before} = gentcp:port_info(),
            [begin
                 ok = inet:setopts(S, [{active, once}]),
                 {tcp, S, Packet} = do_now()
             end || Packet <- Packets],
            #{sent := After} = gentcp:port_info(),
            ct:log("~b octets of commands for ~b packets", [After - Before, length(Packets)]),
            %% A command to re-arm takes some eighty octets.
            ?assert(After - Before < 10 * length(Packets))
        end)
    end).

no_round_trip_for_receivers(_) ->
    do_on_gentcp(fun() ->
        do_with_packets(fun(S, Packets) ->
            Sent = do_sent(fun() -> [{ok, P} = gen_tcp:recv(S, 0, ?TIMEOUT) || P <- Packets] end),
            ?assert(Sent < length(Packets))
        end)
    end).

no_round_trip_for_items(_) ->
    do_on_gentcp(fun() ->
        do_with_items(fun(S, Items) ->
            Sent = do_sent(fun() ->
                [begin
                     ok = inet:setopts(S, [{active, once}]),
                     {http, S, Item} = do_now()
                 end || Item <- Items]
            end),
            ?assert(Sent < length(Items))
        end)
    end).

%% Whoever comes after them gets what they have not got.
killed_receivers(_) ->
    do_on_gentcp(fun() ->
        do_with_packets(fun(S, Packets) ->
            Self = self(),
            Receiver = fun Receiver() ->
                case gen_tcp:recv(S, 0, 0) of
                    {ok, Packet} -> Self ! {got, Packet}, Receiver();
                    {error, _} -> Self ! {got, all}
                end
            end,
            Got = do_kill_often(Receiver, 200, []),
            %% One is lost with a receiver that is killed when it has it, as with any receiver;
            %% one that goes back may be late for a receiver that has asked already.
            ?assertEqual(length(lists:usort(Got)), length(Got)),
            ?assertEqual([], Got -- Packets),
            ?assert(length(Got) >= length(Packets) - 200),
            ?assertEqual({error, timeout}, gen_tcp:recv(S, 0, 0))
        end)
    end).

%% No packet of a loan is taken twice, and the number that ends it is of those taken.
takers_and_askers(_) ->
    Loans = gentcp_ahead:new(4),
    gentcp_ahead:begin_socket(Loans, 3),
    Self = self(),
    lists:foldl(fun(Round, Loan) ->
        Packets = [<<Round:32, N:32>> || N <- lists:seq(1, 60)],
        {First, Second} = lists:split(25, Packets),
        new = gentcp_ahead:offer(Loans, 3, 7, Self, do_ahead(Loan, First)),
        ok = gentcp_ahead:open(Loans, 3, do_ahead(Loan, First)),
        Takers = [spawn_monitor(fun() -> exit({took, do_take_all(Loans, [])}) end) || _ <- lists:seq(1, 4)],
        Askers = [spawn_monitor(fun() -> exit({asked, gentcp_ahead:ask(Loans, 3, 7)}) end)
                  || _ <- lists:seq(1, Round rem 3)],
        _ = gentcp_ahead:offer(Loans, 3, 7, Self, do_ahead(Loan, Second)),
        Took = lists:append([receive {'DOWN', Ref, process, Pid, {took, T}} -> T end || {Pid, Ref} <- Takers]),
        Said = [receive {'DOWN', Ref, process, Pid, {asked, Q}} -> Q end || {Pid, Ref} <- Askers],
        Last = gentcp_ahead:ask(Loans, 3, 7),
        gentcp_ahead:answered(Loans, 3, Last),
        ?assertEqual(lists:sublist(Packets, length(Took)), lists:sort(Took)),
        Question = case length(Took) of
                       0 -> bare;
                       Count -> {settle, Loan, Count}
                   end,
        [?assertEqual(Question, Q) || Q <- [Last | Said]],
        (Loan + length(Said) + 1) rem 65536
    end, 0, lists:seq(1, 3000)).

%% Four processes take, and ask when there is nothing to take, of a port program and a router
%% that are played here: together they get the numbers 1 to Last, each of them once. The loans
%% are numbered so that the numbers begin again in the middle.
loans_without_a_port_program(_) ->
    Last = 100_000,
    Asked = 65_000,
    Self = self(),
    Router = spawn_link(fun() ->
        Loans = gentcp_ahead:new(4),
        gentcp_ahead:begin_socket(Loans, 3),
        [bare = gentcp_ahead:ask(Loans, 3, 7) || _ <- lists:seq(1, Asked)],
        Self ! {loans, Loans},
        do_play_router(Loans)
    end),
    Loans = receive {loans, L} -> L end,
    Program = spawn_link(fun() ->
        do_seed(4),
        do_play_program(Router, Last, 0, Asked, none)
    end),
    Takers = [spawn_monitor(fun() -> do_play_taker(Loans, Program, 0, []) end) || _ <- lists:seq(1, 4)],
    Got = [begin {got, Mine, Lent} = do_outcome(Taker), {Mine, Lent} end || Taker <- Takers],
    ct:log("from loans: ~p", [[Lent || {_, Lent} <- Got]]),
    ?assertEqual(lists:seq(1, Last), lists:sort(lists:append([Mine || {Mine, _} <- Got]))),
    ?assert(lists:sum([Lent || {_, Lent} <- Got]) > Last div 10),
    [?assertEqual(lists:reverse(lists:sort(Mine)), Mine) || {Mine, _} <- Got],
    do_stop(Program),
    do_stop(Router).

%% Further packets of a loan come behind those before them.
loan_goes_on(_) ->
    Loans = do_loan([<<"a">>, <<"b">>]),
    {<<"a">>, none} = gentcp_ahead:take(Loans, 1, 7, any),
    added = gentcp_ahead:offer(Loans, 1, 7, self(), do_ahead(0, [<<"c">>])),
    added = gentcp_ahead:offer(Loans, 1, 7, self(), do_ahead(0, [<<"d">>, <<"e">>])),
    {<<"b">>, {taken, 0, 2}} = gentcp_ahead:take(Loans, 1, 7, any),
    {<<"c">>, {taken, 0, 3}} = gentcp_ahead:take(Loans, 1, 7, any),
    {<<"d">>, none} = gentcp_ahead:take(Loans, 1, 7, any),
    added = gentcp_ahead:offer(Loans, 1, 7, self(), do_ahead(0, [<<"f">>])),
    {<<"e">>, {taken, 0, 5}} = gentcp_ahead:take(Loans, 1, 7, any),
    {<<"f">>, {taken, 0, 6}} = gentcp_ahead:take(Loans, 1, 7, any),
    ?assertEqual(none, gentcp_ahead:take(Loans, 1, 7, any)),
    added = gentcp_ahead:offer(Loans, 1, 7, self(), do_ahead(0, [<<"g">>])),
    {<<"g">>, {taken, 0, 7}} = gentcp_ahead:take(Loans, 1, 7, any),
    ?assertEqual({settle, 0, 7}, gentcp_ahead:ask(Loans, 1, 7)).

%% Nor do they after the command that ends it.
loan_goes_on_too_late(_) ->
    Loans = do_loan([<<"a">>, <<"b">>]),
    {<<"a">>, none} = gentcp_ahead:take(Loans, 1, 7, any),
    {settle, 0, 1} = Question = gentcp_ahead:ask(Loans, 1, 7),
    ?assertEqual(refused, gentcp_ahead:offer(Loans, 1, 7, self(), do_ahead(0, [<<"c">>]))),
    ?assertEqual(none, gentcp_ahead:take(Loans, 1, 7, any)),
    gentcp_ahead:answered(Loans, 1, Question),
    new = gentcp_ahead:offer(Loans, 1, 7, self(), Next = do_ahead(1, [<<"b">>])),
    gentcp_ahead:open(Loans, 1, Next),
    {<<"b">>, {taken, 1, 1}} = gentcp_ahead:take(Loans, 1, 7, any),
    ?assertEqual({settle, 1, 1}, gentcp_ahead:ask(Loans, 1, 7)).

%% Two commands at a time both say what was taken; an answer to an earlier one settles nothing
%% of a later loan.
answered_late(_) ->
    Loans = do_loan([<<"a">>, <<"b">>]),
    {<<"a">>, none} = gentcp_ahead:take(Loans, 1, 7, any),
    {settle, 0, 1} = First = gentcp_ahead:ask(Loans, 1, 7),
    {settle, 0, 1} = Second = gentcp_ahead:ask(Loans, 1, 7),
    gentcp_ahead:answered(Loans, 1, Second),
    Next = do_ahead(2, [<<"b">>, <<"c">>]),
    new = gentcp_ahead:offer(Loans, 1, 7, self(), Next),
    gentcp_ahead:open(Loans, 1, Next),
    gentcp_ahead:answered(Loans, 1, First),
    {<<"b">>, none} = gentcp_ahead:take(Loans, 1, 7, any),
    {settle, 2, 1} = Third = gentcp_ahead:ask(Loans, 1, 7),
    gentcp_ahead:answered(Loans, 1, First),
    ?assertEqual(Third, gentcp_ahead:ask(Loans, 1, 7)),
    gentcp_ahead:answered(Loans, 1, Third),
    ?assertEqual(bare, gentcp_ahead:ask(Loans, 1, 7)).

%% A packet that somebody keeps does not keep the frame it came in.
small_parts_are_copied(_) ->
    Small = binary:copy(<<"s">>, 100),
    Large = binary:copy(<<"l">>, 10_000),
    Loans = do_loan([Small, Large]),
    {Small, none} = {First, _} = gentcp_ahead:take(Loans, 1, 7, any),
    ?assertEqual(100, binary:referenced_byte_size(First)),
    {Large, _} = {Second, _} = gentcp_ahead:take(Loans, 1, 7, any),
    ?assert(binary:referenced_byte_size(Second) > 10_000),
    Path = binary:copy(<<"/p">>, 50),
    Value = binary:copy(<<"v">>, 100),
    Lines = <<"GET ", Path/binary, " HTTP/1.1\r\nX-Own: ", Value/binary, "\r\n.">>,
    HttpLoans = gentcp_ahead:new(1),
    gentcp_ahead:begin_socket(HttpLoans, 1),
    Ahead = {ahead, 7, 0, {lines, http_bin, 0, 2, Lines}},
    new = gentcp_ahead:offer(HttpLoans, 1, 7, self(), Ahead),
    gentcp_ahead:open(HttpLoans, 1, Ahead),
    {{http_request, 'GET', {abs_path, Path1}, _}, _} = gentcp_ahead:take(HttpLoans, 1, 7, any),
    ?assertEqual({Path, 100}, {Path1, binary:referenced_byte_size(Path1)}),
    {{http_header, 0, _, _, Value1}, _} = gentcp_ahead:take(HttpLoans, 1, 7, any),
    ?assertEqual({Value, 100}, {Value1, binary:referenced_byte_size(Value1)}).

%% What comes second of a loan is not taken for the first where the router has let go what came
%% first, because the socket was on its way to another owner.
part_of_a_loan_unseen(_) ->
    do_on_gentcp(fun() ->
        {{'$inet', _, {Port, Id, Slot}} = S, Peer} = tcp_pairs:connect_to_peer([{packet, 2}]),
        {Router, _, Loans} = gentcp_port:lookup(Port),
        New = spawn_link(fun() -> receive stop -> ok end end),
        ok = gentcp_call:ask(Router, {transfer, Id, self(), New}),
        Router ! {Port, {data, do_frame_ahead(Id, 0, [<<"a">>, <<"b">>])}},
        ok = gentcp_call:ask(Router, {commit, Id, New}),
        Router ! {Port, {data, do_frame_ahead(Id, 0, [<<"c">>, <<"d">>])}},
        {ok, New} = gentcp_call:ask(Router, {owner, Id}),
        ?assertEqual(none, gentcp_ahead:take(Loans, Slot, Id, any)),
        New ! stop,
        do_close(S, Peer)
    end).

%% Of whoever is killed before it sends a command, the next one says what was taken.
command_not_sent(_) ->
    do_on_gentcp(fun() ->
        do_with_packets(fun({'$inet', _, {Port, Id, Slot}} = S, [A, B, C, D, E | _]) ->
            {_, _, Loans} = gentcp_port:lookup(Port),
            [begin ok = inet:setopts(S, [{active, once}]), {tcp, S, P} = do_now() end || P <- [A, B]],
            {settle, _, 1} = tcp_pairs:by_another(fun() -> gentcp_ahead:ask(Loans, Slot, Id) end),
            ?assertEqual({ok, C}, gen_tcp:recv(S, 0, ?TIMEOUT)),
            ok = inet:setopts(S, [{active, once}]),
            ?assertEqual({tcp, S, D}, do_now()),
            ?assertEqual({ok, [{recv_cnt, 4}]}, inet:getstat(S, [recv_cnt])),
            ?assertEqual({ok, E}, gen_tcp:recv(S, 0, ?TIMEOUT))
        end)
    end).

%% One that fits into no frame is not sent either.
command_too_long(_) ->
    do_on_gentcp(fun() ->
        {S, Peer} = do_packets(1, [<<"a">>, <<"b">>, <<"c">>]),
        [begin ok = inet:setopts(S, [{active, once}]), {tcp, S, P} = do_now() end || P <- [<<"a">>, <<"b">>]],
        {error, einval} = inet:setopts(S, [{raw, 6, 1, binary:copy(<<0>>, 129 * 1024 * 1024)}]),
        ?assertEqual({ok, <<"c">>}, gen_tcp:recv(S, 0, ?TIMEOUT)),
        do_close(S, Peer)
    end).

numbers_of_a_socket_begin_again(_) ->
    do_on_gentcp(fun() ->
        Packets = [<<N:32>> || N <- lists:seq(1, 3000)],
        {First, Second} = lists:split(1000, Packets),
        {S, Peer} = do_packets(2, Packets),
        Arm = fun(P) -> ok = inet:setopts(S, [{active, once}]), {tcp, S, P} = do_now() end,
        lists:foreach(Arm, First),
        [{ok, [{recv_cnt, 1000}]} = inet:getstat(S, [recv_cnt]) || _ <- lists:seq(1, 65536)],
        Sent = do_sent(fun() -> lists:foreach(Arm, Second) end),
        ?assert(Sent < length(Second)),
        ?assertEqual({ok, [{recv_cnt, 3000}]}, inet:getstat(S, [recv_cnt])),
        do_close(S, Peer)
    end).

%% What was on loan may still be taken until the router has ended; then the socket is closed.
program_killed(_) ->
    do_on_gentcp(fun() ->
        Packets = [<<N:32>> || N <- lists:seq(1, 1000)],
        {{'$inet', _, {Port, _, _}} = S, Peer} = do_packets(2, Packets),
        {Router, _, _} = gentcp_port:lookup(Port),
        Ref = erlang:monitor(process, Router),
        #{os_pid := OsPid} = gentcp:port_info(),
        {Before, After} = lists:split(10, Packets),
        [begin ok = inet:setopts(S, [{active, once}]), {tcp, S, P} = do_now() end || P <- Before],
        "" = os:cmd("kill -KILL " ++ integer_to_list(OsPid)),
        do_take_until_closed(S, After),
        receive {'DOWN', Ref, process, Router, _} -> ok end,
        %% Told only if the last question had armed it in the port program.
        ?assert(lists:member(tcp_pairs:flush(), [[], [{tcp_error, S, econnaborted}, {tcp_closed, S}]])),
        ?assertEqual({error, einval}, inet:setopts(S, [{active, once}])),
        ?assertEqual({error, closed}, gen_tcp:recv(S, 0, ?TIMEOUT)),
        tcp_pairs:peer_close(Peer)
    end).

%% A loan that was made before a command arrived is not opened after it was sent.
loan_too_late(_) ->
    Loans = gentcp_ahead:new(4),
    gentcp_ahead:begin_socket(Loans, 1),
    Ahead = do_ahead(0, [<<"a">>]),
    new = gentcp_ahead:offer(Loans, 1, 7, self(), Ahead),
    bare = gentcp_ahead:ask(Loans, 1, 7),
    ok = gentcp_ahead:open(Loans, 1, Ahead),
    ?assertNot(gentcp_ahead:is_open(Loans, 1)),
    ?assertEqual(none, gentcp_ahead:take(Loans, 1, 7, any)),
    ?assertEqual(refused, gentcp_ahead:offer(Loans, 1, 7, self(), Ahead)),
    ?assertEqual(bare, gentcp_ahead:ask(Loans, 1, 7)).

loan_revoked(_) ->
    Loans = gentcp_ahead:new(4),
    gentcp_ahead:begin_socket(Loans, 1),
    Ahead = do_ahead(0, [<<"a">>, <<"b">>]),
    new = gentcp_ahead:offer(Loans, 1, 7, self(), Ahead),
    ok = gentcp_ahead:open(Loans, 1, Ahead),
    {<<"a">>, none} = gentcp_ahead:take(Loans, 1, 7, any),
    ok = gentcp_ahead:revoke(Loans, 1, 7, 5), % another one
    ?assert(gentcp_ahead:is_open(Loans, 1)),
    ok = gentcp_ahead:revoke(Loans, 1, 7, 0),
    ?assertEqual(none, gentcp_ahead:take(Loans, 1, 7, any)),
    ?assertEqual(bare, gentcp_ahead:ask(Loans, 1, 7)),
    new = gentcp_ahead:offer(Loans, 1, 7, self(), do_ahead(1, [<<"c">>])).

numbers_begin_again(_) ->
    Loans = gentcp_ahead:new(4),
    gentcp_ahead:begin_socket(Loans, 1),
    [bare = gentcp_ahead:ask(Loans, 1, 7) || _ <- lists:seq(1, 65535)],
    Last = do_ahead(65535, [<<"a">>]),
    new = gentcp_ahead:offer(Loans, 1, 7, self(), Last),
    ok = gentcp_ahead:open(Loans, 1, Last),
    {<<"a">>, {taken, 65535, 1}} = gentcp_ahead:take(Loans, 1, 7, any),
    {settle, 65535, 1} = gentcp_ahead:ask(Loans, 1, 7),
    ?assertEqual(new, gentcp_ahead:offer(Loans, 1, 7, self(), do_ahead(0, [<<"b">>]))),
    %% What nobody has answered for is said until the number comes again.
    [?assertEqual({settle, 65535, 1}, gentcp_ahead:ask(Loans, 1, 7)) || _ <- lists:seq(1, 65535)],
    ?assertEqual(bare, gentcp_ahead:ask(Loans, 1, 7)).

no_slot(_) ->
    Loans = gentcp_ahead:new(4),
    ok = gentcp_ahead:begin_socket(Loans, 0),
    refused = gentcp_ahead:offer(Loans, 0, 7, self(), do_ahead(0, [<<"a">>])),
    ?assertEqual(none, gentcp_ahead:take(Loans, 0, 7, any)),
    ?assertEqual(bare, gentcp_ahead:ask(Loans, 0, 7)),
    ok = gentcp_ahead:revoke(Loans, 0, 7, 0),
    ?assertNot(gentcp_ahead:is_open(Loans, 0)).

%% The table goes with the router; nothing raises for that.
router_has_ended(_) ->
    Self = self(),
    Ahead = do_ahead(0, [<<"a">>]),
    {Router, Ref} = spawn_monitor(fun() ->
        Loans = gentcp_ahead:new(4),
        gentcp_ahead:begin_socket(Loans, 1),
        new = gentcp_ahead:offer(Loans, 1, 7, Self, Ahead),
        ok = gentcp_ahead:open(Loans, 1, Ahead),
        Self ! {loans, Loans}
    end),
    Loans = receive {loans, L} -> L end,
    receive {'DOWN', Ref, process, Router, normal} -> ok end,
    ?assertEqual(none, gentcp_ahead:take(Loans, 1, 7, any)),
    ?assertEqual(bare, gentcp_ahead:ask(Loans, 1, 7)).

%%
%% Local functions
%%

%% Packets in every mode that has them, all of them in the kernel, on a passive socket.
do_with_packets(Body) ->
    Packets = [<<N:16, (binary:copy(<<"x">>, N rem 40))/binary, "\n">>
               || N <- lists:seq(16#3000, 16#3000 + 299), N band 16#FF =/= $\n],
    [begin
         {S, Peer} = do_packets(Mode, Packets),
         Body(S, Packets),
         do_close(S, Peer)
     end || Mode <- [1, 2, 4, line]].

do_with_end(Body, Opts) ->
    {S, Peer} = do_packets(1, Packets = [<<N:16>> || N <- lists:seq(1, 100)], Opts),
    tcp_pairs:peer_shutdown(Peer, write),
    tcp_pairs:eof_arrived(S),
    Body(S, Packets),
    do_close(S, Peer).

do_packets(Mode, Packets) ->
    do_packets(Mode, Packets, []).

do_packets(Mode, Packets, Opts) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, Mode} | Opts]),
    Stream = iolist_to_binary([do_framed(Mode, Packet) || Packet <- Packets]),
    tcp_pairs:peer_send(Peer, Stream),
    tcp_pairs:arrived(S, byte_size(Stream)),
    {S, Peer}.

%% Requests of all kinds, as do_with_packets/1.
do_with_items(Body) ->
    [begin
         Stream = iolist_to_binary(lists:duplicate(50, [do_request(N) || N <- [1, 2, 3]])),
         {S, Peer} = tcp_pairs:connect_to_peer([{packet, Mode}]),
         tcp_pairs:peer_send(Peer, Stream),
         tcp_pairs:arrived(S, byte_size(Stream)),
         Body(S, do_items(Mode, Stream)),
         do_close(S, Peer)
     end || Mode <- [http_bin, http]].

%% Packets that are sent in pieces while Body runs, and the end of the stream behind them once
%% Body has called its second argument.
do_with_stream(Mode, Packets, Body) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, Mode}]),
    Stream = iolist_to_binary([do_framed(Mode, Packet) || Packet <- Packets]),
    Sender = spawn_link(fun() ->
        do_send_in_pieces(Peer, Stream),
        receive finish -> tcp_pairs:peer_shutdown(Peer, write) end
    end),
    Body(S, fun() -> Sender ! finish end),
    do_ended(Sender),
    do_close(S, Peer).

do_send_in_pieces(Peer, <<Piece:10_007/binary, Rest/binary>>) ->
    tcp_pairs:peer_send(Peer, Piece),
    do_send_in_pieces(Peer, Rest);
do_send_in_pieces(Peer, Rest) ->
    tcp_pairs:peer_send(Peer, Rest).

do_framed(line, Packet) -> Packet;
do_framed(Bytes, Packet) -> [<<(byte_size(Packet)):Bytes/unit:8>>, Packet].

do_request() ->
    do_request(rand:uniform(3)).

do_request(N) ->
    lists:nth(N,
              ["GET /a HTTP/1.1\r\nHost: shop\r\nX-Long: one\r\n two\r\n\r\n",
               "POST http://shop:80/b HTTP/1.0\r\nAccept: a\r\nnonsense\r\n\r\n",
               "DANCE * HTTP/1.1\r\n\r\n"]).

%% What the stream holds, by the parser of the node.
do_items(_Mode, <<>>) ->
    [];
do_items(Mode, Stream) ->
    do_items(Mode, Mode, Stream).

do_items(Mode, Due, Stream) ->
    case erlang:decode_packet(Due, Stream, []) of
        {ok, Item, Rest} -> [Item | do_items(Mode, do_due(Mode, Due, Item), Rest)];
        {more, _} -> []
    end.

do_due(Mode, _Due, http_eoh) -> Mode;
do_due(_Mode, Due, {http_error, _}) -> Due;
do_due(http_bin, _Due, _) -> httph_bin;
do_due(http, _Due, _) -> httph;
do_due(Mode, _Due, _) -> Mode.

%% Asks for one packet in one of the ways there are, perhaps after something else.
do_any_way(S, Tag, Packet) ->
    case rand:uniform(12) of
        1 -> {ok, [{active, false}]} = inet:getopts(S, [active]);
        2 -> {ok, [{recv_cnt, _}]} = inet:getstat(S, [recv_cnt]);
        3 -> ok = inet:setopts(S, [{active, false}]);
        4 -> #{states := _} = inet:info(S);
        _ -> ok
    end,
    case rand:uniform(8) of
        N when N =< 3 ->
            ?assertEqual({ok, Packet}, gen_tcp:recv(S, 0, ?TIMEOUT));
        N when N =< 6 ->
            ok = inet:setopts(S, [{active, once}]),
            ?assertEqual({Tag, S, Packet}, do_now());
        7 ->
            ok = inet:setopts(S, [{active, 1}]),
            ?assertEqual({Tag, S, Packet}, do_now()),
            ?assertEqual({tcp_passive, S}, do_now());
        8 ->
            ?assertEqual({ok, Packet}, tcp_pairs:by_another(fun() -> gen_tcp:recv(S, 0, ?TIMEOUT) end))
    end.

%% As do_any_way/3 where packets may not have arrived yet.
do_stream_any_way(_S, []) ->
    ok;
do_stream_any_way(S, [Packet | Rest] = Packets) ->
    case rand:uniform(12) of
        N when N =< 4 ->
            ?assertEqual({ok, Packet}, gen_tcp:recv(S, 0, ?TIMEOUT)),
            do_stream_any_way(S, Rest);
        N when N =< 9 ->
            ok = inet:setopts(S, [{active, once}]),
            ?assertEqual({tcp, S, Packet}, do_next()),
            do_stream_any_way(S, Rest);
        10 ->
            {Now, Later} = lists:split(min(rand:uniform(20), length(Packets)), Packets),
            ok = inet:setopts(S, [{active, length(Now)}]),
            [?assertEqual({tcp, S, P}, do_next()) || P <- Now],
            ?assertEqual({tcp_passive, S}, do_next()),
            do_stream_any_way(S, Later);
        11 ->
            ok = inet:setopts(S, [{active, true}]),
            ?assertEqual({tcp, S, Packet}, do_next()),
            ok = inet:setopts(S, [{active, false}]),
            do_stream_any_way(S, do_taken(S, Rest));
        12 ->
            {ok, [{active, false}]} = inet:getopts(S, [active]),
            do_stream_any_way(S, Packets)
    end.

%% What is in the mailbox is the first of Packets; returns the others.
do_taken(S, Packets) ->
    case do_now() of
        none -> Packets;
        Message -> ?assertEqual({tcp, S, hd(Packets)}, Message), do_taken(S, tl(Packets))
    end.

%% Packets of a type, each with the octets that it is made of.
do_segment(http_bin) ->
    {http_bin, lists:append([do_items_and_octets(iolist_to_binary(do_request()))
                             || _ <- lists:seq(1, rand:uniform(4))])};
do_segment(raw) ->
    {raw, [{Data, Data} || _ <- lists:seq(1, rand:uniform(4)), Data <- [rand:bytes(rand:uniform(60))]]};
do_segment(line) ->
    {line, [{Line, Line} || _ <- lists:seq(1, rand:uniform(20)),
                            Line <- [<<(binary:copy(<<"x">>, rand:uniform(60)))/binary, "\n">>]]};
do_segment(Bytes) ->
    {Bytes, [{Data, iolist_to_binary(do_framed(Bytes, Data))}
             || _ <- lists:seq(1, rand:uniform(20)), Data <- [rand:bytes(rand:uniform(60) - 1)]]}.

do_items_and_octets(Request) ->
    do_items_and_octets(http_bin, Request).

do_items_and_octets(_Due, <<>>) ->
    [];
do_items_and_octets(Due, Octets) ->
    {ok, Item, Rest} = erlang:decode_packet(Due, Octets, []),
    Size = byte_size(Octets) - byte_size(Rest),
    [{Item, binary:part(Octets, 0, Size)} | do_items_and_octets(do_due(http_bin, Due, Item), Rest)].

do_mix(_S, [], Counted) ->
    Counted;
do_mix(S, [{raw, Chunks} | Script], Counted) ->
    ok = inet:setopts(S, [{packet, raw}]),
    do_mix(S, Script, lists:foldl(fun({Data, Octets}, Acc) ->
        ?assertEqual({ok, Data}, gen_tcp:recv(S, byte_size(Data), ?TIMEOUT)),
        do_counted(Octets, Acc)
    end, Counted, Chunks));
do_mix(S, [{Mode, Packets} | Script], Counted) ->
    ok = inet:setopts(S, [{packet, Mode}]),
    do_mix(S, Script, do_mix(S, Mode, Packets, Counted)).

do_mix(_S, _Mode, [], Counted) ->
    Counted;
do_mix(S, Mode, [{Data, Octets} | Rest] = Packets, Counted) ->
    Tag = case Mode of http_bin -> http; _ -> tcp end,
    case rand:uniform(20) of
        N when N =< 4 ->
            ?assertEqual({ok, Data}, gen_tcp:recv(S, 0, ?TIMEOUT)),
            do_mix(S, Mode, Rest, do_counted(Octets, Counted));
        N when N =< 8 ->
            ok = inet:setopts(S, [{active, once}]),
            ?assertEqual({Tag, S, Data}, do_now()),
            do_mix(S, Mode, Rest, do_counted(Octets, Counted));
        9 ->
            %% More than one is asked for before any is looked at.
            {Now, Later} = lists:split(min(rand:uniform(4), length(Packets)), Packets),
            [ok = inet:setopts(S, [{active, once}]) || _ <- Now],
            [?assertEqual({Tag, S, D}, do_now()) || {D, _} <- Now],
            do_mix(S, Mode, Later, do_counted_all(Now, Counted));
        10 ->
            {Now, Later} = lists:split(min(rand:uniform(6), length(Packets)), Packets),
            ok = inet:setopts(S, [{active, length(Now)}]),
            [?assertEqual({Tag, S, D}, do_next()) || {D, _} <- Now],
            ?assertEqual({tcp_passive, S}, do_next()),
            do_mix(S, Mode, Later, do_counted_all(Now, Counted));
        11 ->
            ?assertEqual({ok, Data}, tcp_pairs:by_another(fun() -> gen_tcp:recv(S, 0, ?TIMEOUT) end)),
            do_mix(S, Mode, Rest, do_counted(Octets, Counted));
        12 ->
            ok = tcp_pairs:by_another(fun() -> inet:setopts(S, [{active, once}]) end),
            ?assertEqual({Tag, S, Data}, do_next()),
            do_mix(S, Mode, Rest, do_counted(Octets, Counted));
        13 ->
            %% To another owner, with a message, and back.
            ok = inet:setopts(S, [{active, once}]),
            ?assertEqual({Tag, S, Data}, do_by_owner(S, Tag)),
            do_mix(S, Mode, Rest, do_counted(Octets, Counted));
        14 when Tag =:= tcp ->
            Back = <<"back\n">>,
            Framed = iolist_to_binary(do_framed(Mode, Back)),
            ok = gen_tcp:unrecv(S, Framed),
            do_mix(S, Mode, [{Back, Framed} | Packets], Counted);
        15 when Tag =:= tcp ->
            ok = inet:setopts(S, [list]),
            ok = inet:setopts(S, [{active, once}]),
            ?assertEqual({tcp, S, binary_to_list(Data)}, do_now()),
            ok = inet:setopts(S, [binary]),
            do_mix(S, Mode, Rest, do_counted(Octets, Counted));
        16 when Tag =:= tcp, byte_size(Data) > 0 ->
            ok = inet:setopts(S, [{header, 1}]),
            <<First, Tail/binary>> = Data,
            ?assertEqual({ok, [First | Tail]}, gen_tcp:recv(S, 0, ?TIMEOUT)),
            ok = inet:setopts(S, [{header, 0}]),
            do_mix(S, Mode, Rest, do_counted(Octets, Counted));
        17 ->
            {Count, Sum, Max} = Counted,
            ?assertEqual({ok, [{recv_cnt, Count}, {recv_oct, Sum}, {recv_max, Max}]},
                         inet:getstat(S, [recv_cnt, recv_oct, recv_max])),
            do_mix(S, Mode, Packets, Counted);
        18 ->
            ?assertEqual({ok, [{active, false}, {packet, Mode}]}, inet:getopts(S, [active, packet])),
            do_mix(S, Mode, Packets, Counted);
        19 ->
            ok = inet:setopts(S, [{active, false}]),
            ?assertEqual({error, einval}, gen_tcp:recv(S, 1, 0)),
            do_mix(S, Mode, Packets, Counted);
        _ ->
            #{states := _} = inet:info(S),
            do_mix(S, Mode, Packets, Counted)
    end.

do_counted_all(Packets, Counted) ->
    lists:foldl(fun({_Data, Octets}, Acc) -> do_counted(Octets, Acc) end, Counted, Packets).

do_counted(Octets, {Count, Sum, Max}) ->
    {Count + 1, Sum + byte_size(Octets), max(Max, byte_size(Octets))}.

%% The message that a process gets which is the owner for a while. inet sends on none of http:
%% it stays with the owner before.
do_by_owner(S, Tag) ->
    Self = self(),
    Owner = spawn_link(fun() ->
        receive go -> ok end,
        Message = case Tag of tcp -> do_next(); http -> none end,
        ok = gen_tcp:controlling_process(S, Self),
        Self ! {message, Message}
    end),
    ok = gen_tcp:controlling_process(S, Owner),
    Owner ! go,
    receive
        {message, none} -> do_now();
        {message, Message} -> Message
    after ?TIMEOUT -> none
    end.

do_parts(Size, Line) when byte_size(Line) > Size ->
    <<Part:Size/binary, Rest/binary>> = Line,
    [Part | do_parts(Size, Rest)];
do_parts(_Size, Line) ->
    [Line].

do_ask_on(S) ->
    {ok, [{active, _}]} = inet:getopts(S, [active]),
    {ok, [{recv_cnt, _}]} = inet:getstat(S, [recv_cnt]),
    do_ask_on(S).

do_arm_on(S) ->
    case inet:setopts(S, [{active, once}]) of
        ok -> do_arm_on(S);
        {error, einval} -> ok
    end.

%% What the owner has got, up to the end, while processes arm the socket one after the other
%% that are killed at it.
do_kill_armers(S, Got) ->
    {Pid, Ref} = spawn_monitor(fun() -> do_arm_on(S) end),
    %% The first message shows that it is at it; where it is then is up to the scheduler.
    First = receive {tcp, S, Data} -> {tcp, Data}; {tcp_closed, S} -> closed end,
    exit(Pid, kill),
    receive {'DOWN', Ref, process, Pid, _} -> ok end,
    do_killed_armer(S, First, Got).

do_killed_armer(S, none, Got) ->
    do_kill_armers(S, Got);
do_killed_armer(_S, closed, Got) ->
    lists:reverse(Got);
do_killed_armer(S, {tcp, Data}, Got) ->
    Next = receive {tcp, S, More} -> {tcp, More}; {tcp_closed, S} -> closed after 0 -> none end,
    do_killed_armer(S, Next, [Data | Got]).

do_data(S) ->
    {tcp, S, Data} = do_next(),
    Data.

do_stop(Pid) ->
    unlink(Pid),
    exit(Pid, kill),
    do_ended(Pid).

do_ended(Pid) ->
    _ = do_outcome({Pid, erlang:monitor(process, Pid)}),
    ok.

do_outcome({Pid, Ref}) ->
    receive {'DOWN', Ref, process, Pid, Reason} -> Reason end.

do_seed(Seed) ->
    _ = rand:seed(exsss, Seed),
    ct:log("seed ~p", [Seed]).

%% Octets of commands in the meantime.
do_sent(Body) ->
    #{sent := Before} = gentcp:port_info(),
    Body(),
    #{sent := After} = gentcp:port_info(),
    ct:log("~b octets of commands", [After - Before]),
    After - Before.

do_take_until_closed(S, Packets) ->
    case inet:setopts(S, [{active, once}]) of
        ok ->
            receive
                {tcp, S, Packet} ->
                    ?assertEqual(hd(Packets), Packet),
                    do_take_until_closed(S, tl(Packets))
            after 0 ->
                ok
            end;
        {error, einval} ->
            ok
    end.

%% The port program, as far as loans go: it has delivered Pos numbers, got Asked commands, and
%% Lent more are on loan.
do_play_program(Router, Last, Pos, Asked, Lent) ->
    receive
        {ask, From, Question} ->
            Settled = Pos + do_settled(Question, Asked, Lent),
            Now = (Asked + 1) rem 65536,
            case Settled < Last of
                true ->
                    Router ! {reply, From, Settled + 1},
                    do_play_program(Router, Last, Settled + 1, Now,
                                    do_play_lend(Router, Now, Last, Settled + 1, none));
                false ->
                    Router ! {reply, From, closed},
                    do_play_program(Router, Last, Settled, Now, none)
            end;
        {taken, Asked, Count} when Lent =/= none, Count =:= element(2, Lent) ->
            %% All of it: there may be more, and else it ends.
            case rand:uniform(3) of
                1 ->
                    Router ! {recall, Asked},
                    do_play_program(Router, Last, Pos + Count, Asked, none);
                _ ->
                    do_play_program(Router, Last, Pos, Asked,
                                    do_play_lend(Router, Asked, Last, Pos, Lent))
            end;
        {taken, _, _} ->
            do_play_program(Router, Last, Pos, Asked, Lent)
    end.

do_settled({settle, Loan, Count}, Loan, {Loan, Lent}) when Count =< Lent -> Count;
do_settled(_Question, _Asked, _Lent) -> 0.

do_play_lend(Router, Loan, Last, Pos, Lent) ->
    Before = case Lent of none -> 0; {Loan, N} -> N end,
    case min(rand:uniform(40) - 1, Last - Pos - Before) of
        0 ->
            Lent;
        Count ->
            Numbers = [<<N:32>> || N <- lists:seq(Pos + Before + 1, Pos + Before + Count)],
            Router ! do_ahead(Loan, Numbers),
            do_play_lend(Router, Loan, Last, Pos, {Loan, Before + Count})
    end.

do_play_router(Loans) ->
    receive
        {ahead, 7, _, _} = Ahead ->
            case gentcp_ahead:offer(Loans, 3, 7, self(), Ahead) of
                new -> gentcp_ahead:open(Loans, 3, Ahead);
                _AddedOrRefused -> ok
            end;
        {recall, Loan} ->
            gentcp_ahead:revoke(Loans, 3, 7, Loan);
        {reply, From, Result} ->
            From ! {reply, Result}
    end,
    do_play_router(Loans).

do_play_taker(Loans, Program, Lent, Got) ->
    case gentcp_ahead:take(Loans, 3, 7, any) of
        {<<N:32>>, Report} ->
            Report =/= none andalso (Program ! Report),
            do_play_taker(Loans, Program, Lent + 1, [N | Got]);
        none ->
            Question = gentcp_ahead:ask(Loans, 3, 7),
            Program ! {ask, self(), Question},
            receive
                {reply, closed} ->
                    exit({got, Got, Lent});
                {reply, N} ->
                    gentcp_ahead:answered(Loans, 3, Question),
                    do_play_taker(Loans, Program, Lent, [N | Got])
            end
    end.

do_on_gentcp(Body) ->
    Config = driver_groups:init(gentcp, []),
    try Body()
    after driver_groups:done(gentcp, Config)
    end.

%% Runs Receiver again and again, and kills it each time, until it has got all.
do_kill_often(_Receiver, 0, Got) ->
    lists:reverse(Got);
do_kill_often(Receiver, Times, Got) ->
    {Pid, Ref} = spawn_monitor(Receiver),
    %% Killed somewhere within: which is up to the scheduler.
    erlang:yield(),
    exit(Pid, kill),
    receive {'DOWN', Ref, process, Pid, _} -> ok end,
    {More, IsAll} = do_got([]),
    case IsAll of
        true -> lists:reverse(More ++ Got);
        false when Times =:= 1 -> do_last(Receiver, More ++ Got);
        false -> do_kill_often(Receiver, Times - 1, More ++ Got)
    end.

%% The last receiver is let alone.
do_last(Receiver, Got) ->
    {Pid, Ref} = spawn_monitor(Receiver),
    receive {'DOWN', Ref, process, Pid, normal} -> ok end,
    {More, true} = do_got([]),
    lists:reverse(More ++ Got).

do_got(Got) ->
    receive
        {got, all} -> {Got, true};
        {got, Packet} -> do_got([Packet | Got])
    after 0 ->
        {Got, false}
    end.

do_ahead(Loan, Packets) ->
    Octets = << <<109, (byte_size(P)):32, P/binary>> || P <- Packets >>,
    {ahead, 7, Loan, {list, length(Packets), <<Octets/binary, 106, 106>>}}.

%% A loan that is open, number 0 of socket 7 in slot 1.
do_loan(Packets) ->
    Loans = gentcp_ahead:new(4),
    gentcp_ahead:begin_socket(Loans, 1),
    Ahead = do_ahead(0, Packets),
    new = gentcp_ahead:offer(Loans, 1, 7, self(), Ahead),
    ok = gentcp_ahead:open(Loans, 1, Ahead),
    Loans.

%% The frame of a message of a loan.
do_frame_ahead(Id, Loan, Packets) ->
    iolist_to_binary([<<131, 108, 1:32, 104, 4, 119, 5, "ahead", 98, Id:32, 98, Loan:32>>,
                      <<108, (length(Packets)):32>>,
                      [<<109, (byte_size(P)):32, P/binary>> || P <- Packets], 106, 106]).

do_take_all(Loans, Took) ->
    case gentcp_ahead:take(Loans, 3, 7, any) of
        {Packet, _Report} -> do_take_all(Loans, [Packet | Took]);
        none -> Took
    end.

do_now() ->
    receive Message -> Message after 0 -> none end.

do_next() ->
    receive Message -> Message after ?TIMEOUT -> none end.

do_close(S, Peer) ->
    ok = gen_tcp:close(S),
    ok = tcp_pairs:peer_close(Peer).
