%% @doc Packets that wait and are asked for in whatever mix of ways, chosen at
%% random, in each packet type: none is lost, comes twice or in another order.
-module(ahead_mix_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(ahead_packets, [with_packets/1, packets/3, with_stream/3, framed/2, request/0, items/2,
                        due/3, any_way/3, seed/1]).
-import(mailbox, [next/0, next_now/0]).
-import(tcp_pairs, [close/2]).

-define(TIMEOUT, 5000).

suite() -> [{timetrap, {seconds, 60}}].

all() -> driver_groups:all().

groups() -> driver_groups:groups(cases()).

init_per_group(Group, Config) -> driver_groups:init(Group, Config).

end_per_group(Group, Config) -> driver_groups:done(Group, Config).

cases() ->
    [burst_in_any_way, items_in_any_way, other_types_in_any_way, lines_cut_by_the_buffer, any_mix,
     stream_in_any_way, stream_of_empty_packets].

%% Whatever is asked in between, no packet is lost, comes twice or in another order.
burst_in_any_way(_) ->
    Seed = rand:seed(exsss),
    ct:log("seed ~p", [rand:export_seed_s(Seed)]),
    [with_packets(fun(S, Packets) -> [any_way(S, tcp, Packet) || Packet <- Packets] end)
     || _ <- lists:seq(1, 5)].

items_in_any_way(_) ->
    Seed = rand:seed(exsss),
    ct:log("seed ~p", [rand:export_seed_s(Seed)]),
    [begin
         Stream = iolist_to_binary(lists:duplicate(50, request())),
         {S, Peer} = tcp_pairs:connect_to_peer([{packet, Mode}]),
         tcp_pairs:peer_send(Peer, Stream),
         tcp_pairs:arrived(S, byte_size(Stream)),
         [any_way(S, http, Item) || Item <- items(Mode, Stream)],
         close([S], [Peer])
     end || Mode <- [http_bin, http, httph_bin]].

%% The types whose header is a part of the packet, and ssl_tls, which is never lent.
other_types_in_any_way(_) ->
    seed(1),
    Data = [binary:copy(<<N>>, N) || N <- lists:seq(1, 100)],
    [begin
         {S, Peer} = tcp_pairs:connect_to_peer([{packet, Type}]),
         Stream = iolist_to_binary([Frame(D) || D <- Data]),
         tcp_pairs:peer_send(Peer, Stream),
         tcp_pairs:arrived(S, byte_size(Stream)),
         [any_way(S, tcp, Frame(D)) || D <- Data],
         close([S], [Peer])
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
              ?assertEqual({ssl_tls, S, 22, {3, 3}, D}, next_now())
     end || {N, D} <- lists:zip(lists:seq(1, 100), Data)],
    close([S], [Peer]).

%% A line that is longer than the buffer comes in parts, also among others.
lines_cut_by_the_buffer(_) ->
    seed(2),
    Lines = [<<(binary:copy(<<"x">>, rand:uniform(350) - 1))/binary, "\n">> || _ <- lists:seq(1, 150)],
    {S, Peer} = packets(line, Lines, [{buffer, 100}]),
    [any_way(S, tcp, Part) || Line <- Lines, Part <- do_parts(100, Line)],
    close([S], [Peer]).

%% Everything that may be asked of a passive socket, in a random order, against a model:
%% what is left of the stream, and what has been counted.
any_mix(_) ->
    [begin
         seed(Seed),
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
         ?assertEqual(none, next_now()),
         close([S], [Peer])
     end || Seed <- lists:seq(1, 20)].

%% Packets that arrive while others are taken, of all sizes.
stream_in_any_way(_) ->
    seed(3),
    Packets = [<<N:32, (binary:copy(<<"x">>, case N rem 50 of
                                                 0 -> rand:uniform(60_000);
                                                 _ -> rand:uniform(100)
                                             end))/binary>> || N <- lists:seq(1, 2000)],
    with_stream(4, Packets, fun(S, Finish) ->
        do_stream_any_way(S, Packets),
        Finish(),
        ok = inet:setopts(S, [{active, once}]),
        ?assertEqual({tcp_closed, S}, next())
    end).

%% Many more than fit into what is lent at a time.
stream_of_empty_packets(_) ->
    Packets = lists:duplicate(200_000, <<>>),
    with_stream(1, Packets, fun(S, Finish) ->
        Finish(),
        [begin
             ok = inet:setopts(S, [{active, once}]),
             {tcp, S, <<>>} = next()
         end || <<>> <- Packets],
        ?assertEqual({ok, [{recv_cnt, 200_000}]}, inet:getstat(S, [recv_cnt])),
        ok = inet:setopts(S, [{active, once}]),
        ?assertEqual({tcp_closed, S}, next())
    end).

%%
%% Local functions
%%

%% As any_way/3 where packets may not have arrived yet.
do_stream_any_way(_S, []) ->
    ok;
do_stream_any_way(S, [Packet | Rest] = Packets) ->
    case rand:uniform(12) of
        N when N =< 4 ->
            ?assertEqual({ok, Packet}, gen_tcp:recv(S, 0, ?TIMEOUT)),
            do_stream_any_way(S, Rest);
        N when N =< 9 ->
            ok = inet:setopts(S, [{active, once}]),
            ?assertEqual({tcp, S, Packet}, next()),
            do_stream_any_way(S, Rest);
        10 ->
            {Now, Later} = lists:split(min(rand:uniform(20), length(Packets)), Packets),
            ok = inet:setopts(S, [{active, length(Now)}]),
            [?assertEqual({tcp, S, P}, next()) || P <- Now],
            ?assertEqual({tcp_passive, S}, next()),
            do_stream_any_way(S, Later);
        11 ->
            ok = inet:setopts(S, [{active, true}]),
            ?assertEqual({tcp, S, Packet}, next()),
            ok = inet:setopts(S, [{active, false}]),
            do_stream_any_way(S, do_taken(S, Rest));
        12 ->
            {ok, [{active, false}]} = inet:getopts(S, [active]),
            do_stream_any_way(S, Packets)
    end.

%% What is in the mailbox is the first of Packets; returns the others.
do_taken(S, Packets) ->
    case next_now() of
        none -> Packets;
        Message -> ?assertEqual({tcp, S, hd(Packets)}, Message), do_taken(S, tl(Packets))
    end.

%% Packets of a type, each with the octets that it is made of.
do_segment(http_bin) ->
    {http_bin, lists:append([do_items_and_octets(iolist_to_binary(request()))
                             || _ <- lists:seq(1, rand:uniform(4))])};
do_segment(raw) ->
    {raw, [{Data, Data} || _ <- lists:seq(1, rand:uniform(4)), Data <- [rand:bytes(rand:uniform(60))]]};
do_segment(line) ->
    {line, [{Line, Line} || _ <- lists:seq(1, rand:uniform(20)),
                            Line <- [<<(binary:copy(<<"x">>, rand:uniform(60)))/binary, "\n">>]]};
do_segment(Bytes) ->
    {Bytes, [{Data, iolist_to_binary(framed(Bytes, Data))}
             || _ <- lists:seq(1, rand:uniform(20)), Data <- [rand:bytes(rand:uniform(60) - 1)]]}.

do_items_and_octets(Request) ->
    do_items_and_octets(http_bin, Request).

do_items_and_octets(_Due, <<>>) ->
    [];
do_items_and_octets(Due, Octets) ->
    {ok, Item, Rest} = erlang:decode_packet(Due, Octets, []),
    Size = byte_size(Octets) - byte_size(Rest),
    [{Item, binary:part(Octets, 0, Size)} | do_items_and_octets(due(http_bin, Due, Item), Rest)].

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
            ?assertEqual({Tag, S, Data}, next_now()),
            do_mix(S, Mode, Rest, do_counted(Octets, Counted));
        9 ->
            %% More than one is asked for before any is looked at.
            {Now, Later} = lists:split(min(rand:uniform(4), length(Packets)), Packets),
            [ok = inet:setopts(S, [{active, once}]) || _ <- Now],
            [?assertEqual({Tag, S, D}, next_now()) || {D, _} <- Now],
            do_mix(S, Mode, Later, do_counted_all(Now, Counted));
        10 ->
            {Now, Later} = lists:split(min(rand:uniform(6), length(Packets)), Packets),
            ok = inet:setopts(S, [{active, length(Now)}]),
            [?assertEqual({Tag, S, D}, next()) || {D, _} <- Now],
            ?assertEqual({tcp_passive, S}, next()),
            do_mix(S, Mode, Later, do_counted_all(Now, Counted));
        11 ->
            ?assertEqual({ok, Data}, tcp_pairs:by_another(fun() -> gen_tcp:recv(S, 0, ?TIMEOUT) end)),
            do_mix(S, Mode, Rest, do_counted(Octets, Counted));
        12 ->
            ok = tcp_pairs:by_another(fun() -> inet:setopts(S, [{active, once}]) end),
            ?assertEqual({Tag, S, Data}, next()),
            do_mix(S, Mode, Rest, do_counted(Octets, Counted));
        13 ->
            %% To another owner, with a message, and back.
            ok = inet:setopts(S, [{active, once}]),
            ?assertEqual({Tag, S, Data}, do_by_owner(S, Tag)),
            do_mix(S, Mode, Rest, do_counted(Octets, Counted));
        14 when Tag =:= tcp ->
            Back = <<"back\n">>,
            Framed = iolist_to_binary(framed(Mode, Back)),
            ok = gen_tcp:unrecv(S, Framed),
            do_mix(S, Mode, [{Back, Framed} | Packets], Counted);
        15 when Tag =:= tcp ->
            ok = inet:setopts(S, [list]),
            ok = inet:setopts(S, [{active, once}]),
            ?assertEqual({tcp, S, binary_to_list(Data)}, next_now()),
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
        Message = case Tag of tcp -> next(); http -> none end,
        ok = gen_tcp:controlling_process(S, Self),
        Self ! {message, Message}
    end),
    ok = gen_tcp:controlling_process(S, Owner),
    Owner ! go,
    receive
        {message, none} -> next_now();
        {message, Message} -> Message
    after ?TIMEOUT -> none
    end.

do_parts(Size, Line) when byte_size(Line) > Size ->
    <<Part:Size/binary, Rest/binary>> = Line,
    [Part | do_parts(Size, Rest)];
do_parts(_Size, Line) ->
    [Line].
