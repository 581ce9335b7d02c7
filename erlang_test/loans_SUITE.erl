%% @doc Loans: the packets that a port program gives to the node before they are
%% asked for (gentcp_ahead), who takes them, and how a command settles them.
%%
%% These cases have no counterpart on the stock driver.
-module(loans_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(ahead_packets, [with_packets/1, packets/2, with_items/1, seed/1]).
-import(mailbox, [next_now/0]).
-import(tcp_pairs, [close/2]).

-define(TIMEOUT, 5000).

suite() -> [{timetrap, {seconds, 60}}].

all() ->
    [no_round_trip, killed_receivers, takers_and_askers, loan_too_late, loan_revoked,
     numbers_begin_again, no_slot, router_has_ended, no_round_trip_for_receivers,
     no_round_trip_for_items, loans_without_a_port_program, loan_goes_on, loan_goes_on_too_late,
     answered_late, small_parts_are_copied, part_of_a_loan_unseen, command_not_sent,
     command_too_long, numbers_of_a_socket_begin_again, program_killed].

%% Most packets cost the port program no command.
no_round_trip(_) ->
    do_on_gentcp(fun() ->
        with_packets(fun(S, Packets) ->
            #{sent := Before} = gentcp:port_info(),
            [begin
                 ok = inet:setopts(S, [{active, once}]),
                 {tcp, S, Packet} = next_now()
             end || Packet <- Packets],
            #{sent := After} = gentcp:port_info(),
            ct:log("~b octets of commands for ~b packets", [After - Before, length(Packets)]),
            %% A command to re-arm takes some eighty octets.
            ?assert(After - Before < 10 * length(Packets))
        end)
    end).

no_round_trip_for_receivers(_) ->
    do_on_gentcp(fun() ->
        with_packets(fun(S, Packets) ->
            Sent = do_sent(fun() -> [{ok, P} = gen_tcp:recv(S, 0, ?TIMEOUT) || P <- Packets] end),
            ?assert(Sent < length(Packets))
        end)
    end).

no_round_trip_for_items(_) ->
    do_on_gentcp(fun() ->
        with_items(fun(S, Items) ->
            Sent = do_sent(fun() ->
                [begin
                     ok = inet:setopts(S, [{active, once}]),
                     {http, S, Item} = next_now()
                 end || Item <- Items]
            end),
            ?assert(Sent < length(Items))
        end)
    end).

%% Whoever comes after them gets what they have not got.
killed_receivers(_) ->
    do_on_gentcp(fun() ->
        with_packets(fun(S, Packets) ->
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
        seed(4),
        do_play_program(Router, Last, 0, Asked, none)
    end),
    Takers = [spawn_monitor(fun() -> do_play_taker(Loans, Program, 0, []) end) || _ <- lists:seq(1, 4)],
    Got = [begin {got, Mine, Lent} = callers:outcome(Taker), {Mine, Lent} end || Taker <- Takers],
    ct:log("from loans: ~p", [[Lent || {_, Lent} <- Got]]),
    ?assertEqual(lists:seq(1, Last), lists:sort(lists:append([Mine || {Mine, _} <- Got]))),
    ?assert(lists:sum([Lent || {_, Lent} <- Got]) > Last div 10),
    [?assertEqual(lists:reverse(lists:sort(Mine)), Mine) || {Mine, _} <- Got],
    callers:stop(Program),
    callers:stop(Router).

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
        close([S], [Peer])
    end).

%% Of whoever is killed before it sends a command, the next one says what was taken.
command_not_sent(_) ->
    do_on_gentcp(fun() ->
        with_packets(fun({'$inet', _, {Port, Id, Slot}} = S, [A, B, C, D, E | _]) ->
            {_, _, Loans} = gentcp_port:lookup(Port),
            [begin ok = inet:setopts(S, [{active, once}]), {tcp, S, P} = next_now() end || P <- [A, B]],
            {settle, _, 1} = tcp_pairs:by_another(fun() -> gentcp_ahead:ask(Loans, Slot, Id) end),
            ?assertEqual({ok, C}, gen_tcp:recv(S, 0, ?TIMEOUT)),
            ok = inet:setopts(S, [{active, once}]),
            ?assertEqual({tcp, S, D}, next_now()),
            ?assertEqual({ok, [{recv_cnt, 4}]}, inet:getstat(S, [recv_cnt])),
            ?assertEqual({ok, E}, gen_tcp:recv(S, 0, ?TIMEOUT))
        end)
    end).

%% One that fits into no frame is not sent either.
command_too_long(_) ->
    do_on_gentcp(fun() ->
        {S, Peer} = packets(1, [<<"a">>, <<"b">>, <<"c">>]),
        [begin ok = inet:setopts(S, [{active, once}]), {tcp, S, P} = next_now() end || P <- [<<"a">>, <<"b">>]],
        {error, einval} = inet:setopts(S, [{raw, 6, 1, binary:copy(<<0>>, 129 * 1024 * 1024)}]),
        ?assertEqual({ok, <<"c">>}, gen_tcp:recv(S, 0, ?TIMEOUT)),
        close([S], [Peer])
    end).

numbers_of_a_socket_begin_again(_) ->
    do_on_gentcp(fun() ->
        Packets = [<<N:32>> || N <- lists:seq(1, 3000)],
        {First, Second} = lists:split(1000, Packets),
        {S, Peer} = packets(2, Packets),
        Arm = fun(P) -> ok = inet:setopts(S, [{active, once}]), {tcp, S, P} = next_now() end,
        lists:foreach(Arm, First),
        [{ok, [{recv_cnt, 1000}]} = inet:getstat(S, [recv_cnt]) || _ <- lists:seq(1, 65536)],
        Sent = do_sent(fun() -> lists:foreach(Arm, Second) end),
        ?assert(Sent < length(Second)),
        ?assertEqual({ok, [{recv_cnt, 3000}]}, inet:getstat(S, [recv_cnt])),
        close([S], [Peer])
    end).

%% What was on loan may still be taken until the router has ended; then the socket is closed.
program_killed(_) ->
    do_on_gentcp(fun() ->
        Packets = [<<N:32>> || N <- lists:seq(1, 1000)],
        {{'$inet', _, {Port, _, _}} = S, Peer} = packets(2, Packets),
        {Router, _, _} = gentcp_port:lookup(Port),
        Ref = erlang:monitor(process, Router),
        #{os_pid := OsPid} = gentcp:port_info(),
        {Before, After} = lists:split(10, Packets),
        [begin ok = inet:setopts(S, [{active, once}]), {tcp, S, P} = next_now() end || P <- Before],
        "" = os:cmd("kill -KILL " ++ integer_to_list(OsPid)),
        do_take_until_closed(S, After),
        receive {'DOWN', Ref, process, Router, _} -> ok end,
        %% Reported only if the last question had armed it in the port program.
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
