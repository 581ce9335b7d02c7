%% @doc Connections on which many packets wait, for the suites about taking them
%% one by one, and the ways there are to ask for one.
-module(ahead_packets).
-export([with_packets/1, packets/2, packets/3, with_items/1, with_stream/3, any_way/3]).
-export([framed/2, request/0, items/2, due/3, seed/1]).

-include_lib("stdlib/include/assert.hrl").

-import(mailbox, [next_now/0]).
-import(tcp_pairs, [close/2]).

-define(TIMEOUT, 5000).

%% Packets in every mode that has them, all of them in the kernel, on a passive socket.
-spec with_packets(fun((gen_tcp:socket(), [binary()]) -> term())) -> [ok].
with_packets(Body) ->
    Packets = [<<N:16, (binary:copy(<<"x">>, N rem 40))/binary, "\n">>
               || N <- lists:seq(16#3000, 16#3000 + 299), N band 16#FF =/= $\n],
    [begin
         {S, Peer} = packets(Mode, Packets),
         Body(S, Packets),
         close([S], [Peer])
     end || Mode <- [1, 2, 4, line]].

%% A passive socket in the kernel of which these packets are.
-spec packets(1 | 2 | 4 | line, [binary()]) -> {gen_tcp:socket(), tcp_pairs:peer()}.
packets(Mode, Packets) ->
    packets(Mode, Packets, []).

-spec packets(1 | 2 | 4 | line, [binary()], list()) -> {gen_tcp:socket(), tcp_pairs:peer()}.
packets(Mode, Packets, Opts) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, Mode} | Opts]),
    Stream = iolist_to_binary([framed(Mode, Packet) || Packet <- Packets]),
    tcp_pairs:peer_send(Peer, Stream),
    tcp_pairs:arrived(S, byte_size(Stream)),
    {S, Peer}.

%% Requests of all kinds, as with_packets/1.
-spec with_items(fun((gen_tcp:socket(), [term()]) -> term())) -> [ok].
with_items(Body) ->
    [begin
         Stream = iolist_to_binary(lists:duplicate(50, [request(N) || N <- [1, 2, 3]])),
         {S, Peer} = tcp_pairs:connect_to_peer([{packet, Mode}]),
         tcp_pairs:peer_send(Peer, Stream),
         tcp_pairs:arrived(S, byte_size(Stream)),
         Body(S, items(Mode, Stream)),
         close([S], [Peer])
     end || Mode <- [http_bin, http]].

%% Packets that are sent in pieces while Body runs, and the end of the stream behind them once
%% Body has called its second argument.
-spec with_stream(1 | 2 | 4, [binary()], fun((gen_tcp:socket(), fun(() -> term())) -> term())) -> ok.
with_stream(Mode, Packets, Body) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, Mode}]),
    Stream = iolist_to_binary([framed(Mode, Packet) || Packet <- Packets]),
    Sender = spawn_link(fun() ->
        send_in_pieces(Peer, Stream),
        receive finish -> tcp_pairs:peer_shutdown(Peer, write) end
    end),
    Body(S, fun() -> Sender ! finish end),
    callers:ended(Sender),
    close([S], [Peer]).

send_in_pieces(Peer, <<Piece:10_007/binary, Rest/binary>>) ->
    tcp_pairs:peer_send(Peer, Piece),
    send_in_pieces(Peer, Rest);
send_in_pieces(Peer, Rest) ->
    tcp_pairs:peer_send(Peer, Rest).

-spec framed(1 | 2 | 4 | line, binary()) -> iodata().
framed(line, Packet) -> Packet;
framed(Bytes, Packet) -> [<<(byte_size(Packet)):Bytes/unit:8>>, Packet].

-spec request() -> string().
request() ->
    request(rand:uniform(3)).

request(N) ->
    lists:nth(N,
              ["GET /a HTTP/1.1\r\nHost: shop\r\nX-Long: one\r\n two\r\n\r\n",
               "POST http://shop:80/b HTTP/1.0\r\nAccept: a\r\nnonsense\r\n\r\n",
               "DANCE * HTTP/1.1\r\n\r\n"]).

%% What the stream holds, by the parser of the node.
-spec items(http | http_bin | httph_bin, binary()) -> [term()].
items(_Mode, <<>>) ->
    [];
items(Mode, Stream) ->
    items(Mode, Mode, Stream).

items(Mode, Due, Stream) ->
    case erlang:decode_packet(Due, Stream, []) of
        {ok, Item, Rest} -> [Item | items(Mode, due(Mode, Due, Item), Rest)];
        {more, _} -> []
    end.

%% The mode in which the next line is to be parsed.
-spec due(Mode :: atom(), Due :: atom(), Item :: term()) -> atom().
due(Mode, _Due, http_eoh) -> Mode;
due(_Mode, Due, {http_error, _}) -> Due;
due(http_bin, _Due, _) -> httph_bin;
due(http, _Due, _) -> httph;
due(Mode, _Due, _) -> Mode.

%% Asks for one packet in one of the ways there are, perhaps after something else.
-spec any_way(gen_tcp:socket(), tcp | http, term()) -> ok.
any_way(S, Tag, Packet) ->
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
            ?assertEqual({Tag, S, Packet}, next_now());
        7 ->
            ok = inet:setopts(S, [{active, 1}]),
            ?assertEqual({Tag, S, Packet}, next_now()),
            ?assertEqual({tcp_passive, S}, next_now());
        8 ->
            ?assertEqual({ok, Packet}, tcp_pairs:by_another(fun() -> gen_tcp:recv(S, 0, ?TIMEOUT) end))
    end.

-spec seed(integer()) -> ok.
seed(Seed) ->
    _ = rand:seed(exsss, Seed),
    ct:log("seed ~p", [Seed]).
