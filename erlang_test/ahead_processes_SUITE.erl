%% @doc Packets that wait, and several processes: new owners, processes that arm
%% the socket of another, receive from it, or ask about it.
-module(ahead_processes_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(ahead_packets, [with_packets/1, packets/2, with_stream/3]).
-import(mailbox, [next/0, next_now/0]).
-import(tcp_pairs, [close/2]).

-define(TIMEOUT, 5000).

suite() -> [{timetrap, {seconds, 60}}].

all() -> driver_groups:all_with_shards().

groups() -> driver_groups:groups(cases()).

init_per_group(Group, Config) -> driver_groups:init(Group, Config).

end_per_group(Group, Config) -> driver_groups:done(Group, Config).

cases() ->
    [passed_on, armed_by_another, received_by_another, received_by_several,
     asked_about_by_another, asked_about_elsewhere, stream_for_several, armed_by_several,
     armed_by_the_killed].

%% Messages go to whoever is the owner, and what has not been asked for as well.
passed_on(_) ->
    with_packets(fun(S, [A, B, C, D, E | _]) ->
        [begin ok = inet:setopts(S, [{active, once}]), {tcp, S, P} = next_now() end || P <- [A, B]],
        ok = inet:setopts(S, [{active, once}]), % in the mailbox, and to be passed on
        Self = self(),
        New = spawn_link(fun() ->
            receive go -> ok end,
            First = next(),
            Rest = [begin ok = inet:setopts(S, [{active, once}]), next_now() end || _ <- [d, e]],
            Self ! {got, [First | Rest]},
            receive stop -> ok end
        end),
        ok = gen_tcp:controlling_process(S, New),
        New ! go,
        ?assertEqual({got, [{tcp, S, C}, {tcp, S, D}, {tcp, S, E}]}, next()),
        ?assertEqual(none, next_now()),
        New ! stop
    end).

%% Not to who has armed the socket.
armed_by_another(_) ->
    with_packets(fun(S, Packets) ->
        [begin
             {ok, _} = tcp_pairs:by_another(fun() ->
                 {inet:setopts(S, [{active, once}]), tcp_pairs:flush()} =:= {ok, []} andalso {ok, armed}
             end),
             ?assertEqual({tcp, S, Packet}, next())
         end || Packet <- lists:sublist(Packets, 20)]
    end).

received_by_another(_) ->
    with_packets(fun(S, Packets) ->
        [case N rem 2 of
             0 -> ?assertEqual({ok, Packet}, tcp_pairs:by_another(fun() -> gen_tcp:recv(S, 0, ?TIMEOUT) end));
             1 -> ?assertEqual({ok, Packet}, gen_tcp:recv(S, 0, ?TIMEOUT))
         end || {N, Packet} <- lists:zip(lists:seq(1, 20), lists:sublist(Packets, 20))]
    end).

%% Each packet goes to one of them.
received_by_several(_) ->
    with_packets(fun(S, Packets) ->
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
    with_packets(fun(S, Packets) ->
        Asker = spawn_link(fun() -> do_ask_on(S) end),
        [begin
             ok = inet:setopts(S, [{active, once}]),
             ?assertEqual({tcp, S, Packet}, next())
         end || Packet <- Packets],
        callers:stop(Asker)
    end).

%% Answers for one socket come in between the packets of another.
asked_about_elsewhere(_) ->
    Packets = [<<N:32>> || N <- lists:seq(1, 2000)],
    {Other, OtherPeer} = tcp_pairs:connect_to_peer([]),
    Askers = [spawn_link(fun() -> do_ask_on(Other) end) || _ <- [1, 2]],
    Takers = [spawn_monitor(fun() ->
                  {S, Peer} = packets(2, Packets),
                  [begin
                       ok = inet:setopts(S, [{active, once}]),
                       {tcp, S, Packet} = next(),
                       N rem 3 =:= 0 andalso ({ok, _} = inet:getopts(S, [active]))
                   end || {N, Packet} <- lists:zip(lists:seq(1, 2000), Packets)],
                  close([S], [Peer])
              end) || _ <- [1, 2]],
    [?assertEqual(normal, callers:outcome(Taker)) || Taker <- Takers],
    [callers:stop(Asker) || Asker <- Askers],
    close([Other], [OtherPeer]).

%% Each packet goes to one of them, in order, while more arrive.
stream_for_several(_) ->
    Packets = [<<N:32>> || N <- lists:seq(1, 5000)],
    with_stream(2, Packets, fun(S, Finish) ->
        Finish(),
        Receive = fun Receive(Got) ->
            case gen_tcp:recv(S, 0, ?TIMEOUT) of
                {ok, Packet} -> Receive([Packet | Got]);
                {error, ealready} -> erlang:yield(), Receive(Got);
                {error, _} -> exit({got, lists:reverse(Got)})
            end
        end,
        Receivers = [spawn_monitor(fun() -> Receive([]) end) || _ <- lists:seq(1, 4)],
        Got = [begin {got, Mine} = callers:outcome(Receiver), Mine end || Receiver <- Receivers],
        ?assertEqual(Packets, lists:sort(lists:append(Got))),
        [?assertEqual(lists:sort(Mine), Mine) || Mine <- Got]
    end).

%% The owner gets them in order, whoever has asked for which.
armed_by_several(_) ->
    [begin
         {S, Peer} = packets(2, Packets = [<<N:32>> || N <- lists:seq(1, 3000)]),
         tcp_pairs:peer_shutdown(Peer, write),
         tcp_pairs:eof_arrived(S),
         Armers = [spawn_link(fun() -> do_arm_on(S) end) || _ <- lists:seq(1, 4)],
         Got = [do_data(S) || _ <- Packets],
         ?assertEqual([], lists:sublist([{P, G} || {P, G} <- lists:zip(Packets, Got), P =/= G], 5)),
         ?assertEqual({tcp_closed, S}, next()),
         [callers:ended(Armer) || Armer <- Armers],
         close([S], [Peer])
     end || _ <- lists:seq(1, 10)].

%% The owner gets what was asked for, whatever becomes of who has asked.
armed_by_the_killed(_) ->
    [begin
         {S, Peer} = packets(2, Packets = [<<N:32>> || N <- lists:seq(1, 3000)]),
         tcp_pairs:peer_shutdown(Peer, write),
         tcp_pairs:eof_arrived(S),
         ?assertEqual([], Packets -- do_kill_armers(S, [])),
         close([S], [Peer])
     end || _ <- lists:seq(1, 10)].

%%
%% Local functions
%%

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
    {tcp, S, Data} = next(),
    Data.
