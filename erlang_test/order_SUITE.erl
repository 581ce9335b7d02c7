%% What a socket delivers is in order, whoever takes it and whichever way it comes.
-module(order_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([suite/0, all/0, groups/0, init_per_group/2, end_per_group/2]).
-export([armed_again_before_the_message_is_seen/1, armed_again_off_heap/1,
         recv_after_a_killed_receiver/1, setopts_after_a_killed_receiver/1,
         close_after_a_killed_receiver/1, receivers_in_turn/1, one_receiver_waits_for_nobody/1]).

-import(tcp_pairs, [connect_to_peer/1, peer_send/2]).

suite() ->
    [{timetrap, {minutes, 2}}].

all() ->
    driver_groups:all().

groups() ->
    Both = [armed_again_before_the_message_is_seen, armed_again_off_heap, receivers_in_turn],
    [{stock, [], Both},
     {gentcp, [], Both ++ [recv_after_a_killed_receiver, setopts_after_a_killed_receiver,
                           close_after_a_killed_receiver, one_receiver_waits_for_nobody]}].

init_per_group(Group, Config) ->
    driver_groups:init(Group, Config).

end_per_group(Group, Config) ->
    driver_groups:done(Group, Config).

%%
%% {active, once}
%%

%% The owner arms the socket again while a message is on its way to it. What comes by another way
%% than that, such as a packet that is there already, comes behind it.
armed_again_before_the_message_is_seen(_Config) ->
    in_order_once([]).

%% The mailbox of such a process has several doors.
armed_again_off_heap(_Config) ->
    in_order_once([{message_queue_data, off_heap}]).

in_order_once(Options) ->
    {S, Peer} = connect_to_peer([{packet, 2}]),
    Self = self(),
    Owner = spawn_opt(fun() ->
        receive go -> ok end,
        Owner = self(),
        Noise = atomics:new(1, []),
        [spawn_link(fun() -> noise(Owner, Noise) end) || _ <- [1, 2, 3, 4]],
        Self ! {Owner, [once_round(S, Peer, N, Noise) || N <- lists:seq(1, 100)]}
    end, [link | Options]),
    ok = gen_tcp:controlling_process(S, Owner),
    Owner ! go,
    Rounds = receive {Owner, R} -> R end,
    ?assertEqual([], [Round || Round <- Rounds, Round =/= [1, 2, 3]]).

%% Sends to the owner as long as it allows it.
noise(Owner, Noise) ->
    case atomics:get(Noise, 1) of
        1 -> Owner ! noise, spin(50);
        0 -> erlang:yield()
    end,
    noise(Owner, Noise).

quiet() ->
    receive noise -> quiet() after 0 -> ok end.

once_round(S, Peer, N, Noise) ->
    atomics:put(Noise, 1, 1),
    quiet(),
    ok = inet:setopts(S, [{active, once}]),
    ok = peer_send(Peer, [<<1:16, K>> || K <- [1, 2, 3]]),
    rearm(S, 1 + N rem 40),
    Got = [receive_once(S) || _ <- [1, 2, 3]],
    ok = inet:setopts(S, [{active, false}]),
    Got.

receive_once(S) ->
    receive
        {tcp, S, <<N>>} -> N
    after 0 ->
        ok = inet:setopts(S, [{active, once}]),
        receive {tcp, S, <<N>>} -> N end
    end.

%% Without a look at the mailbox; with gentcp also at the very moment at which a packet is on loan.
rearm(S, 0) ->
    ok = inet:setopts(S, [{active, once}]);
rearm({'$inet', gentcp, {Port, _, Slot}} = S, _N) when _N > 0 ->
    {_, _, Loans} = gentcp_port:lookup(Port),
    until_open(Loans, Slot, 100_000),
    rearm(S, 0);
rearm(S, N) ->
    ok = inet:setopts(S, [{active, once}]),
    rearm(S, N - 1).

until_open(_Loans, _Slot, 0) ->
    ok;
until_open(Loans, Slot, N) ->
    gentcp_ahead:is_open(Loans, Slot) orelse until_open(Loans, Slot, N - 1).

%%
%% recv
%%

%% A receiver is killed at the moment of its answer, when another has called recv already.
recv_after_a_killed_receiver(_Config) ->
    {S, Peer} = connect_to_peer([{packet, 2}]),
    Got = lists:append([killed_round(S, Peer, N, fun() ->
                            {ok, <<K:32>>} = gen_tcp:recv(S, 0, 5000),
                            K
                        end) || N <- lists:seq(1, 1000)]),
    ?assertEqual([], descents(Got)).

%% The same where the other one arms the socket.
setopts_after_a_killed_receiver(_Config) ->
    {S, Peer} = connect_to_peer([{packet, 2}]),
    Got = lists:append([killed_round(S, Peer, N, fun() ->
                            ok = inet:setopts(S, [{active, once}]),
                            receive {tcp, S, <<K:32>>} -> K end
                        end) || N <- lists:seq(1, 1000)]),
    ?assertEqual([], descents(Got)).

%% Three packets, of which the last ends the round.
killed_round(S, Peer, N, Take) ->
    Receiver = spawn(fun() -> gen_tcp:recv(S, 0) end),
    waits(Receiver),
    Last = 3 * N,
    ok = peer_send(Peer, [<<4:16, K:32>> || K <- [Last - 2, Last - 1, Last]]),
    spin(N rem 200),
    exit(Receiver, kill),
    take_until(Last, Take).

take_until(Last, Take) ->
    case Take() of
        Last -> [Last];
        K -> [K | take_until(Last, Take)]
    end.

%% A round takes less time than a sleep.
waits(Pid) ->
    lists:member(process_info(Pid, status), [{status, waiting}, undefined])
        orelse begin erlang:yield(), waits(Pid) end.

spin(0) -> ok;
spin(N) -> _ = erlang:phash2(N), spin(N - 1).

descents([A, B | Rest]) when A < B -> descents([B | Rest]);
descents([A, B | Rest]) -> [{A, B} | descents([B | Rest])];
descents(_) -> [].

%% The packet that comes back is there before the end of the stream, too.
close_after_a_killed_receiver(_Config) ->
    Results = [begin
        {S, Peer} = connect_to_peer([{packet, 2}]),
        Receiver = spawn(fun() -> gen_tcp:recv(S, 0) end),
        waits(Receiver),
        erlang:suspend_process(Receiver),
        ok = peer_send(Peer, <<1:16, 1>>),
        ok = tcp_pairs:peer_close(Peer),
        spin(N rem 200),
        exit(Receiver, kill),
        %% Either it had its packet when it was killed, or the next one gets it.
        Result = gen_tcp:recv(S, 0, 5000),
        Last = gen_tcp:recv(S, 0, 5000),
        ok = gen_tcp:close(S),
        {Result, Last}
    end || N <- lists:seq(1, 300)],
    [] = lists:usort(Results) -- [{{ok, <<1>>}, {error, closed}}, {{error, closed}, {error, enotconn}}].

%% Each packet is for another process.
receivers_in_turn(_Config) ->
    {S, Peer} = connect_to_peer([{packet, 2}]),
    ok = peer_send(Peer, [<<4:16, K:32>> || K <- lists:seq(1, 1000)]),
    Self = self(),
    [begin
         Pid = spawn_link(fun() -> Self ! {self(), gen_tcp:recv(S, 0, 5000)} end),
         receive {Pid, {ok, <<K:32>>}} -> ok end
     end || K <- lists:seq(1, 1000)].

%% The program asks for news only when answers may be lost: never for one who receives in sequence, nor for
%% those who take turns.
one_receiver_waits_for_nobody(Config) ->
    {S, Peer} = connect_to_peer([{packet, 0}]),
    {'$inet', gentcp, {Port, _, _}} = S,
    {Router, _, _} = gentcp_port:lookup(Port),
    1 = erlang:trace(Router, true, ['receive']),
    [begin
         ok = peer_send(Peer, <<K:32>>),
         {ok, <<K:32>>} = gen_tcp:recv(S, 4, 5000)
     end || K <- lists:seq(1, 100)],
    receivers_in_turn(Config),
    1 = erlang:trace(Router, false, ['receive']),
    Frames = [binary_to_term(Frame) || {trace, _, 'receive', {_, {data, Frame}}} <- tcp_pairs:flush()],
    [] = [M || Messages <- Frames, {unsure, _} = M <- Messages],
    true = length(Frames) >= 100.
