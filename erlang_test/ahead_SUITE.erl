%% @doc Packets that wait to be asked for one by one: re-armed with `once', or
%% received, they are the same on both drivers. On gentcp most of them are in the
%% node before they are asked for (gentcp_ahead).
-module(ahead_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(ahead_packets, [with_packets/1, packets/2, with_items/1]).
-import(mailbox, [next/0, next_now/0]).
-import(tcp_pairs, [close/2]).

-define(TIMEOUT, 5000).

suite() -> [{timetrap, {seconds, 60}}].

all() -> driver_groups:all().

groups() -> driver_groups:groups(cases()).

init_per_group(Group, Config) -> driver_groups:init(Group, Config).

end_per_group(Group, Config) -> driver_groups:done(Group, Config).

cases() ->
    [burst_once, burst_received, armed_twice, active_is_false_after_once, statistics,
     counted_behind_once, always_active_behind_once, passive_behind_once, put_back_behind_once,
     body_behind_headers, packet_type_changed, list_mode_behind_once, header_behind_once,
     items_once, items_received, length_behind_once, port_data_behind_once].

%%
%% Taken one by one
%%

%% As long as there are packets, one is in the mailbox when setopts returns.
burst_once(_) ->
    with_packets(fun(S, Packets) ->
        [begin
             ok = inet:setopts(S, [{active, once}]),
             ?assertEqual({tcp, S, Packet}, next_now())
         end || Packet <- Packets],
        ok = inet:setopts(S, [{active, once}]),
        ?assertEqual(none, next_now())
    end).

burst_received(_) ->
    with_packets(fun(S, Packets) ->
        [?assertEqual({ok, Packet}, gen_tcp:recv(S, 0, ?TIMEOUT)) || Packet <- Packets],
        ?assertEqual({error, timeout}, gen_tcp:recv(S, 0, 0))
    end).

%% `once' is for one packet each time, also when nobody has looked at the last one.
armed_twice(_) ->
    with_packets(fun(S, [A, B, C, D | _]) ->
        [ok = inet:setopts(S, [{active, once}]) || _ <- [A, B, C, D]],
        ?assertEqual([{tcp, S, P} || P <- [A, B, C, D]], [next_now() || _ <- [A, B, C, D]]),
        ?assertEqual(none, next_now())
    end).

active_is_false_after_once(_) ->
    with_packets(fun(S, Packets) ->
        [begin
             ok = inet:setopts(S, [{active, once}]),
             {tcp, S, Packet} = next_now(),
             ?assertEqual({ok, [{active, false}]}, inet:getopts(S, [active]))
         end || Packet <- lists:sublist(Packets, 20)]
    end).

%% A packet counts when it is delivered.
statistics(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, 1}]),
    Sizes = [N rem 50 || N <- lists:seq(1, 200)],
    Stream = << <<Size, 0:Size/unit:8>> || Size <- Sizes >>,
    tcp_pairs:peer_send(Peer, Stream),
    tcp_pairs:arrived(S, byte_size(Stream)),
    lists:foldl(fun(Size, {N, Octets, Max}) ->
        case N rem 3 of
            0 -> {ok, _} = gen_tcp:recv(S, 0, ?TIMEOUT);
            _ -> ok = inet:setopts(S, [{active, once}]), {tcp, S, _} = next_now()
        end,
        Now = {N + 1, Octets + Size + 1, max(Max, Size + 1)},
        {Count, Octets1, Max1} = Now,
        N rem 7 =:= 0 andalso
            ?assertEqual({ok, [{recv_cnt, Count}, {recv_oct, Octets1}, {recv_max, Max1}]},
                         inet:getstat(S, [recv_cnt, recv_oct, recv_max])),
        Now
    end, {0, 0, 0}, Sizes),
    close([S], [Peer]).

%% Each kind of line of a request.
items_once(_) ->
    with_items(fun(S, Items) ->
        [begin
             ok = inet:setopts(S, [{active, once}]),
             ?assertEqual({http, S, Item}, next_now())
         end || Item <- Items],
        ok = inet:setopts(S, [{active, once}]),
        ?assertEqual(none, next_now())
    end).

items_received(_) ->
    with_items(fun(S, Items) ->
        [?assertEqual({ok, Item}, gen_tcp:recv(S, 0, ?TIMEOUT)) || Item <- Items],
        ?assertEqual({error, timeout}, gen_tcp:recv(S, 0, 0))
    end).

%%
%% Something else in the middle
%%

counted_behind_once(_) ->
    with_packets(fun(S, [A, B, C, D, E | _]) ->
        [begin ok = inet:setopts(S, [{active, once}]), {tcp, S, P} = next_now() end || P <- [A, B]],
        ok = inet:setopts(S, [{active, 2}]),
        ?assertEqual([{tcp, S, C}, {tcp, S, D}, {tcp_passive, S}], [next() || _ <- [c, d, passive]]),
        ?assertEqual({ok, E}, gen_tcp:recv(S, 0, ?TIMEOUT))
    end).

always_active_behind_once(_) ->
    with_packets(fun(S, [A, B | Rest]) ->
        [begin ok = inet:setopts(S, [{active, once}]), {tcp, S, P} = next_now() end || P <- [A, B]],
        ok = inet:setopts(S, [{active, true}]),
        [?assertEqual({tcp, S, P}, next()) || P <- Rest]
    end).

passive_behind_once(_) ->
    with_packets(fun(S, [A, B, C, D | _]) ->
        [begin ok = inet:setopts(S, [{active, once}]), {tcp, S, P} = next_now() end || P <- [A, B]],
        ok = inet:setopts(S, [{active, false}]),
        ?assertEqual([{ok, C}, {ok, D}], [gen_tcp:recv(S, 0, ?TIMEOUT) || _ <- [c, d]]),
        ?assertEqual(none, next_now())
    end).

%% What is put back comes before what has been read already.
put_back_behind_once(_) ->
    {S, Peer} = packets(1, [<<"a">>, <<"b">>, <<"c">>]),
    ok = inet:setopts(S, [{active, once}]),
    {tcp, S, <<"a">>} = next_now(),
    ok = gen_tcp:unrecv(S, <<1, "x">>),
    ok = inet:setopts(S, [{active, once}]),
    ?assertEqual({tcp, S, <<"x">>}, next_now()),
    ok = inet:setopts(S, [{active, once}]),
    ?assertEqual({tcp, S, <<"b">>}, next_now()),
    ok = gen_tcp:unrecv(S, <<1, "y">>),
    ?assertEqual([{ok, <<"y">>}, {ok, <<"c">>}], [gen_tcp:recv(S, 0, ?TIMEOUT) || _ <- [y, c]]),
    close([S], [Peer]).

%% The body of a request is taken raw, and the next request is parsed again.
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
                   1 -> fun() -> ok = inet:setopts(S, [{active, once}]), {http, S, Item} = next_now(), Item end
               end,
         ?assertEqual({http_request, 'POST', {abs_path, Path}, {1, 1}}, Ask()),
         ?assertEqual({http_header, 0, <<"X-N">>, <<"X-N">>, integer_to_binary(N)}, Ask()),
         ?assertEqual(http_eoh, Ask()),
         ok = inet:setopts(S, [{packet, raw}]),
         ?assertEqual({ok, Body}, gen_tcp:recv(S, byte_size(Body), ?TIMEOUT)),
         ok = inet:setopts(S, [{packet, http_bin}])
     end || {N, Body} <- Requests],
    close([S], [Peer]).

packet_type_changed(_) ->
    {S, Peer} = packets(2, [<<"a">>, <<"b">>, <<"one\ntwo\n">>]),
    ok = inet:setopts(S, [{active, once}]),
    {tcp, S, <<"a">>} = next_now(),
    ok = inet:setopts(S, [{active, once}]),
    {tcp, S, <<"b">>} = next_now(),
    ok = inet:setopts(S, [{packet, line}]),
    ?assertEqual({ok, <<0, 8, "one\n">>}, gen_tcp:recv(S, 0, ?TIMEOUT)),
    ok = inet:setopts(S, [{active, once}]),
    ?assertEqual({tcp, S, <<"two\n">>}, next_now()),
    close([S], [Peer]).

%% Mode and header are those of the moment of delivery.
list_mode_behind_once(_) ->
    with_packets(fun(S, [A, B, C | _]) ->
        ok = inet:setopts(S, [{active, once}]),
        {tcp, S, A} = next_now(),
        ok = inet:setopts(S, [list]),
        ok = inet:setopts(S, [{active, once}]),
        ?assertEqual({tcp, S, binary_to_list(B)}, next_now()),
        ok = inet:setopts(S, [binary]),
        ?assertEqual({ok, C}, gen_tcp:recv(S, 0, ?TIMEOUT))
    end).

%% A length is refused in the packet modes, and costs no packet.
length_behind_once(_) ->
    with_packets(fun(S, [A, B, C | _]) ->
        ok = inet:setopts(S, [{active, once}]),
        {tcp, S, A} = next_now(),
        ?assertEqual({error, einval}, gen_tcp:recv(S, 1, ?TIMEOUT)),
        ?assertEqual({ok, B}, gen_tcp:recv(S, 0, ?TIMEOUT)),
        ?assertEqual({error, einval}, gen_tcp:recv(S, 1, 0)),
        ok = inet:setopts(S, [{active, once}]),
        ?assertEqual({tcp, S, C}, next_now())
    end).

%% The shape of a message is that of the moment of delivery too.
port_data_behind_once(_) ->
    with_packets(fun(S, [A, B, C, D | _]) ->
        ok = inet:setopts(S, [{active, once}]),
        {tcp, S, A} = next_now(),
        ok = inet:setopts(S, [{deliver, port}]),
        [begin
             ok = inet:setopts(S, [{active, once}]),
             ?assertEqual({S, {data, P}}, next_now())
         end || P <- [B, C]],
        ok = inet:setopts(S, [{deliver, term}]),
        ok = inet:setopts(S, [{active, once}]),
        ?assertEqual({tcp, S, D}, next_now())
    end).

header_behind_once(_) ->
    {S, Peer} = packets(1, [<<"abc">>, <<"def">>, <<"ghi">>]),
    ok = inet:setopts(S, [{active, once}]),
    {tcp, S, <<"abc">>} = next_now(),
    ok = inet:setopts(S, [{header, 1}]),
    ok = inet:setopts(S, [{active, once}]),
    ?assertEqual({tcp, S, [$d | <<"ef">>]}, next_now()),
    ?assertEqual({ok, [$g | <<"hi">>]}, gen_tcp:recv(S, 0, ?TIMEOUT)),
    close([S], [Peer]).
