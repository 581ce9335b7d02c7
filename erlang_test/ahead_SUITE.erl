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
     too_long_behind_packets, closed_by_another, owner_dies].

cases_of_gentcp() ->
    [no_round_trip, killed_receivers, takers_and_askers, loan_too_late, loan_revoked, numbers_begin_again,
     no_slot, router_has_ended].

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

%%
%% The end
%%

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

%% A loan that was made before a command arrived is not opened after it was sent.
loan_too_late(_) ->
    Loans = gentcp_ahead:new(4),
    gentcp_ahead:begin_socket(Loans, 1),
    Ahead = do_ahead(0, [<<"a">>]),
    new = gentcp_ahead:offer(Loans, 1, 7, self(), Ahead),
    bare = gentcp_ahead:ask(Loans, 1, 7),
    ok = gentcp_ahead:open(Loans, 1, Ahead),
    ?assertNot(gentcp_ahead:is_open(Loans, 1)),
    ?assertEqual(none, gentcp_ahead:take(Loans, 1, 7)),
    ?assertEqual(refused, gentcp_ahead:offer(Loans, 1, 7, self(), Ahead)),
    ?assertEqual(bare, gentcp_ahead:ask(Loans, 1, 7)).

loan_revoked(_) ->
    Loans = gentcp_ahead:new(4),
    gentcp_ahead:begin_socket(Loans, 1),
    Ahead = do_ahead(0, [<<"a">>, <<"b">>]),
    new = gentcp_ahead:offer(Loans, 1, 7, self(), Ahead),
    ok = gentcp_ahead:open(Loans, 1, Ahead),
    {_, <<"a">>, none} = gentcp_ahead:take(Loans, 1, 7),
    ok = gentcp_ahead:revoke(Loans, 1, 7, 5), % another one
    ?assert(gentcp_ahead:is_open(Loans, 1)),
    ok = gentcp_ahead:revoke(Loans, 1, 7, 0),
    ?assertEqual(none, gentcp_ahead:take(Loans, 1, 7)),
    ?assertEqual(bare, gentcp_ahead:ask(Loans, 1, 7)),
    new = gentcp_ahead:offer(Loans, 1, 7, self(), do_ahead(1, [<<"c">>])).

numbers_begin_again(_) ->
    Loans = gentcp_ahead:new(4),
    gentcp_ahead:begin_socket(Loans, 1),
    [bare = gentcp_ahead:ask(Loans, 1, 7) || _ <- lists:seq(1, 65535)],
    Last = do_ahead(65535, [<<"a">>]),
    new = gentcp_ahead:offer(Loans, 1, 7, self(), Last),
    ok = gentcp_ahead:open(Loans, 1, Last),
    {_, <<"a">>, {taken, 65535, 1}} = gentcp_ahead:take(Loans, 1, 7),
    {settle, 65535, 1} = gentcp_ahead:ask(Loans, 1, 7),
    ?assertEqual(new, gentcp_ahead:offer(Loans, 1, 7, self(), do_ahead(0, [<<"b">>]))),
    %% What nobody has answered for is said until the number comes again.
    [?assertEqual({settle, 65535, 1}, gentcp_ahead:ask(Loans, 1, 7)) || _ <- lists:seq(1, 65535)],
    ?assertEqual(bare, gentcp_ahead:ask(Loans, 1, 7)).

no_slot(_) ->
    Loans = gentcp_ahead:new(4),
    ok = gentcp_ahead:begin_socket(Loans, 0),
    refused = gentcp_ahead:offer(Loans, 0, 7, self(), do_ahead(0, [<<"a">>])),
    ?assertEqual(none, gentcp_ahead:take(Loans, 0, 7)),
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
    ?assertEqual(none, gentcp_ahead:take(Loans, 1, 7)),
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

do_framed(line, Packet) -> Packet;
do_framed(Bytes, Packet) -> [<<(byte_size(Packet)):Bytes/unit:8>>, Packet].

do_request() ->
    lists:nth(rand:uniform(3),
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

do_take_all(Loans, Took) ->
    case gentcp_ahead:take(Loans, 3, 7) of
        {_Owner, Packet, _Report} -> do_take_all(Loans, [Packet | Took]);
        none -> Took
    end.

do_now() ->
    receive Message -> Message after 0 -> none end.

do_next() ->
    receive Message -> Message after ?TIMEOUT -> none end.

do_close(S, Peer) ->
    ok = gen_tcp:close(S),
    ok = tcp_pairs:peer_close(Peer).
