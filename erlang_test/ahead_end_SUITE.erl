%% @doc What becomes of packets that wait when the stream ends behind them, or the
%% connection, the socket or its owner.
-module(ahead_end_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(ahead_packets, [packets/2, packets/3, any_way/3]).
-import(mailbox, [next/0, next_now/0]).
-import(tcp_pairs, [close/2]).

-define(TIMEOUT, 5000).

suite() -> [{timetrap, {seconds, 60}}].

all() -> driver_groups:all().

groups() -> driver_groups:groups(cases()).

init_per_group(Group, Config) -> driver_groups:init(Group, Config).

end_per_group(Group, Config) -> driver_groups:done(Group, Config).

cases() ->
    [end_behind_packets, end_behind_packets_received, half_closed, reset_behind_packets,
     too_long_behind_packets, closed_by_another, owner_dies, end_behind_part,
     end_behind_packets_half_closed, failed_send_behind_packets, shut_down_behind_once,
     too_long_behind_once, item_too_long_behind_once, closed_with_packets_left,
     owner_dies_with_packets_left].

%% Part of a packet is dropped at the end, and is no packet.
end_behind_part(_) ->
    [begin
         {S, Peer} = packets(2, Packets = [<<"a">>, <<"b">>, <<"c">>], Opts),
         tcp_pairs:peer_send(Peer, <<5:16, "part">>),
         tcp_pairs:peer_shutdown(Peer, write),
         tcp_pairs:eof_arrived(S),
         [begin
              ok = inet:setopts(S, [{active, once}]),
              ?assertEqual({tcp, S, Packet}, next_now())
          end || Packet <- Packets],
         ok = inet:setopts(S, [{active, once}]),
         ?assertEqual({tcp_closed, S}, next()),
         ?assertEqual(none, next_now()),
         close([S], [Peer])
     end || Opts <- [[], [{exit_on_close, false}], [{show_econnreset, true}]]].

end_behind_packets_half_closed(_) ->
    do_with_end(fun(S, Packets) ->
        [begin
             ok = inet:setopts(S, [{active, once}]),
             ?assertEqual({tcp, S, Packet}, next_now())
         end || Packet <- Packets],
        ok = inet:setopts(S, [{active, once}]),
        ?assertEqual({tcp_closed, S}, next()),
        %% Open for the other direction, and nothing comes a second time.
        ok = inet:setopts(S, [{active, once}]),
        ?assertEqual(none, next_now()),
        ?assertEqual(ok, gen_tcp:send(S, <<"still here">>))
    end, [{exit_on_close, false}]).

%% A send that fails takes the input with it.
failed_send_behind_packets(_) ->
    [begin
         {S, Peer} = packets(1, [<<"a">>, <<"b">>, <<"c">>], [{show_econnreset, true}]),
         ok = inet:setopts(S, [{active, once}]),
         {tcp, S, <<"a">>} = next_now(),
         ok = tcp_pairs:peer_reset(Peer),
         tcp_pairs:reset_arrived(S),
         tcp_pairs:eventually(fun() -> gen_tcp:send(S, <<"x">>) =:= {error, econnreset} end),
         case How of
             armed ->
                 ok = inet:setopts(S, [{active, once}]),
                 ?assertEqual([{tcp_error, S, econnreset}, {tcp_closed, S}], [next(), next()]);
             received ->
                 ?assertEqual({error, econnreset}, gen_tcp:recv(S, 0, ?TIMEOUT)),
                 ?assertEqual({error, enotconn}, gen_tcp:recv(S, 0, ?TIMEOUT))
         end,
         ok = gen_tcp:close(S)
     end || How <- [armed, received]].

%% What had arrived is still there.
shut_down_behind_once(_) ->
    [begin
         {S, Peer} = packets(1, [<<"a">>, <<"b">>, <<"c">>]),
         ok = inet:setopts(S, [{active, once}]),
         {tcp, S, <<"a">>} = next_now(),
         ok = gen_tcp:shutdown(S, How),
         ok = inet:setopts(S, [{active, once}]),
         ?assertEqual({tcp, S, <<"b">>}, next_now()),
         ?assertEqual({ok, <<"c">>}, gen_tcp:recv(S, 0, ?TIMEOUT)),
         ?assertEqual({error, case How of write -> timeout; _ -> closed end}, gen_tcp:recv(S, 0, 0)),
         close([S], [Peer])
     end || How <- [read, write, read_write]].

%% Also with more behind it, which nobody gets.
too_long_behind_once(_) ->
    [begin
         {S, Peer} = tcp_pairs:connect_to_peer([{packet, 2}, {packet_size, 10} | Opts]),
         Stream = <<1:16, "a", 1:16, "b", 11:16, "too long...", 1:16, "c">>,
         tcp_pairs:peer_send(Peer, Stream),
         tcp_pairs:arrived(S, byte_size(Stream)),
         [begin
              ok = inet:setopts(S, [{active, once}]),
              ?assertEqual({tcp, S, P}, next_now())
          end || P <- [<<"a">>, <<"b">>]],
         ok = inet:setopts(S, [{active, once}]),
         ?assertEqual([{tcp_error, S, emsgsize}, {tcp_closed, S}], [next(), next()]),
         ?assertEqual(none, next_now()),
         close([S], [Peer])
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
                      ?assertEqual({http, S, Item}, next_now())
                  end || Item <- [Line, Header]],
                 ok = inet:setopts(S, [{active, once}]),
                 ?assertEqual([{tcp_error, S, emsgsize}, {tcp_closed, S}], [next(), next()]);
             received ->
                 [?assertEqual({ok, Item}, gen_tcp:recv(S, 0, ?TIMEOUT)) || Item <- [Line, Header]],
                 ?assertEqual({error, emsgsize}, gen_tcp:recv(S, 0, ?TIMEOUT))
         end,
         close([S], [Peer])
     end || How <- [armed, received]].

%% The peer sees an orderly end: all that it has sent had been read.
closed_with_packets_left(_) ->
    {S, Peer} = packets(1, [<<"a">>, <<"b">>, <<"c">>]),
    ok = inet:setopts(S, [{active, once}]),
    {tcp, S, <<"a">>} = next_now(),
    ok = inet:setopts(S, [{active, once}]), % in the mailbox, where it stays
    ok = gen_tcp:close(S),
    ?assertEqual({error, einval}, inet:setopts(S, [{active, once}])),
    ?assertEqual({error, closed}, gen_tcp:recv(S, 0, ?TIMEOUT)),
    ?assertEqual([{tcp, S, <<"b">>}], tcp_pairs:flush()),
    ?assertEqual({<<>>, closed}, tcp_pairs:peer_recv_all(Peer)),
    tcp_pairs:peer_close(Peer).

%% Nobody who still has the socket gets what is left.
owner_dies_with_packets_left(_) ->
    {S, Peer} = packets(1, [<<N>> || N <- lists:seq(1, 100)]),
    Self = self(),
    {Owner, Ref} = spawn_monitor(fun() ->
        receive go -> ok end,
        [begin
             ok = inet:setopts(S, [{active, once}]),
             {tcp, S, <<N>>} = next_now()
         end || N <- lists:seq(1, 50)],
        Self ! half,
        receive stop -> ok end
    end),
    ok = gen_tcp:controlling_process(S, Owner),
    Owner ! go,
    half = next(),
    ?assertEqual({ok, <<51>>}, gen_tcp:recv(S, 0, ?TIMEOUT)),
    exit(Owner, kill),
    {'DOWN', Ref, process, Owner, killed} = next(),
    ?assertEqual({<<>>, closed}, tcp_pairs:peer_recv_all(Peer)),
    tcp_pairs:eventually(fun() -> tcp_pairs:is_gone(S) end),
    ?assertEqual({error, einval}, inet:setopts(S, [{active, once}])),
    ?assertEqual({error, closed}, gen_tcp:recv(S, 0, ?TIMEOUT)),
    ?assertEqual(none, next_now()),
    tcp_pairs:peer_close(Peer).

%% All packets first.
end_behind_packets(_) ->
    do_with_end(fun(S, Packets) ->
        [begin
             ok = inet:setopts(S, [{active, once}]),
             ?assertEqual({tcp, S, Packet}, next_now())
         end || Packet <- Packets],
        ok = inet:setopts(S, [{active, once}]),
        ?assertEqual({tcp_closed, S}, next_now()),
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
        [any_way(S, tcp, Packet) || Packet <- Packets],
        ?assertEqual({error, closed}, gen_tcp:recv(S, 0, ?TIMEOUT)),
        ?assertEqual(ok, gen_tcp:send(S, <<"still here">>))
    end, [{exit_on_close, false}]).

reset_behind_packets(_) ->
    {S, Peer} = packets(1, [<<"a">>, <<"b">>, <<"c">>], [{show_econnreset, true}]),
    ok = inet:setopts(S, [{active, once}]),
    {tcp, S, <<"a">>} = next_now(),
    ok = tcp_pairs:peer_reset(Peer),
    tcp_pairs:reset_arrived(S),
    %% What had been read is delivered, as stock's buffer is.
    ok = inet:setopts(S, [{active, once}]),
    ?assertEqual({tcp, S, <<"b">>}, next_now()),
    ?assertEqual({ok, <<"c">>}, gen_tcp:recv(S, 0, ?TIMEOUT)),
    ok = inet:setopts(S, [{active, once}]),
    ?assertEqual([{tcp_error, S, econnreset}, {tcp_closed, S}], [next(), next()]).

%% The packets before it are delivered.
too_long_behind_packets(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, 2}, {packet_size, 10}]),
    Stream = <<1:16, "a", 1:16, "b", 1:16, "c", 11:16, "too long...">>,
    tcp_pairs:peer_send(Peer, Stream),
    tcp_pairs:arrived(S, byte_size(Stream)),
    ok = inet:setopts(S, [{active, once}]),
    {tcp, S, <<"a">>} = next_now(),
    ok = inet:setopts(S, [{active, once}]),
    {tcp, S, <<"b">>} = next_now(),
    ?assertEqual({ok, <<"c">>}, gen_tcp:recv(S, 0, ?TIMEOUT)),
    ?assertEqual({error, emsgsize}, gen_tcp:recv(S, 0, ?TIMEOUT)),
    close([S], [Peer]).

closed_by_another(_) ->
    {S, Peer} = packets(1, [<<"a">>, <<"b">>, <<"c">>]),
    ok = inet:setopts(S, [{active, once}]),
    {tcp, S, <<"a">>} = next_now(),
    ok = tcp_pairs:by_another(fun() -> gen_tcp:close(S) end),
    ?assertEqual({error, einval}, inet:setopts(S, [{active, once}])),
    ?assertEqual({error, closed}, gen_tcp:recv(S, 0, ?TIMEOUT)),
    ?assertEqual(none, next_now()),
    close([S], [Peer]).

owner_dies(_) ->
    {S, Peer} = packets(1, [<<"a">>, <<"b">>, <<"c">>]),
    Self = self(),
    Owner = spawn(fun() ->
        receive go -> ok end,
        ok = inet:setopts(S, [{active, once}]),
        Self ! next_now(),
        receive stop -> ok end
    end),
    ok = gen_tcp:controlling_process(S, Owner),
    Owner ! go,
    ?assertEqual({tcp, S, <<"a">>}, next()),
    exit(Owner, kill),
    tcp_pairs:eventually(fun() -> tcp_pairs:is_gone(S) end),
    ?assertEqual({error, closed}, gen_tcp:recv(S, 0, ?TIMEOUT)),
    close([S], [Peer]).

%%
%% Local functions
%%

do_with_end(Body, Opts) ->
    {S, Peer} = packets(1, Packets = [<<N:16>> || N <- lists:seq(1, 100)], Opts),
    tcp_pairs:peer_shutdown(Peer, write),
    tcp_pairs:eof_arrived(S),
    Body(S, Packets),
    close([S], [Peer]).
