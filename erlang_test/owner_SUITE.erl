%% @doc The controlling process: who owns a socket, what ends with its owner,
%% how a socket is handed over in every `active' mode, and what monitors report.
%%
%% A port socket is linked to its owner; a socket of another driver is a term
%% and cannot be. So nothing here looks at links: only that owners live on, that
%% sockets end with their owners, and what `inet:monitor/1' promises.
-module(owner_SUITE).

-export([all/0, groups/0, suite/0, init_per_group/2, end_per_group/2]).
-export([connect_makes_owner/1, accept_makes_owner/1, listen_makes_owner/1,
         any_process_may_call/1, any_process_may_accept/1,
         owner_exit_closes_socket/1, owner_exit_releases_recv/1,
         owner_exit_releases_accept/1, owner_exit_fails_sends/1,
         other_process_exit_closes_nothing/1,
         accepted_socket_outlives_listener/1,
         accepted_socket_outlives_listener_owner/1]).
-export([not_owner/1, already_owner/1, new_owner_is_no_pid/1, closed_socket/1,
         closed_socket_keeps_messages/1, dead_new_owner/1,
         dead_new_owner_loses_messages/1, dead_new_owner_forgets_count/1,
         active_value_is_kept/1, count_is_kept/1, modes_work_after_transfer/1,
         new_owner_takes_the_socket_with_it/1, old_owner_may_exit/1,
         transfer_chain/1, transfer_back/1, creator_is_not_owner_any_more/1]).
-export([messages_are_forwarded/1, closed_is_forwarded/1,
         port_deliveries_are_forwarded/1, later_data_comes_after/1,
         fired_once_is_forwarded/1, passive_message_stays/1,
         http_messages_stay/1, ssl_messages_stay/1, error_message_stays/1,
         other_messages_stay/1, closed_half_closed_keeps_owner/1,
         old_owner_gets_nothing_more/1, relay_while_data_flows/1,
         relay_with_once_while_data_flows/1, relay_with_count_while_data_flows/1,
         buffered_input_moves_along/1, pending_recv_survives_transfer/1,
         listener_is_handed_over/1, acceptors_survive_transfer/1]).
-export([down_when_owner_closes/1, down_when_another_closes/1,
         down_at_end_of_stream/1, down_after_reset/1, down_after_shown_reset/1,
         down_after_framing_error/1, no_down_for_passive_end/1,
         no_down_when_half_closed/1, down_with_reason_of_owner/1,
         down_for_listener/1, down_at_once_for_closed_socket/1,
         many_monitors/1, monitor_from_another_process/1,
         cancelled_monitor_is_silent/1, cancel_after_down/1,
         monitor_survives_transfer/1]).
-export([owner_survives_every_end/1, trapping_owner_survives_every_end/1,
         own_close_leaves_no_exit_message/1]).

-import(callers, [start/1, result/1, waits/1, kill/1]).
-import(mailbox, [next/0, none/0]).

suite() ->
    [{timetrap, {seconds, 30}}].

all() ->
    driver_groups:all_with_shards().

groups() ->
    driver_groups:groups(cases()).

init_per_group(Group, Config) ->
    driver_groups:init(Group, Config).

end_per_group(Group, Config) ->
    driver_groups:done(Group, Config).

cases() ->
    [connect_makes_owner, accept_makes_owner, listen_makes_owner,
     any_process_may_call, any_process_may_accept, owner_exit_closes_socket,
     owner_exit_releases_recv, owner_exit_releases_accept,
     owner_exit_fails_sends, other_process_exit_closes_nothing,
     accepted_socket_outlives_listener,
     accepted_socket_outlives_listener_owner,

     not_owner, already_owner, new_owner_is_no_pid, closed_socket,
     closed_socket_keeps_messages, dead_new_owner,
     dead_new_owner_loses_messages, dead_new_owner_forgets_count,
     active_value_is_kept, count_is_kept, modes_work_after_transfer,
     new_owner_takes_the_socket_with_it, old_owner_may_exit, transfer_chain,
     transfer_back, creator_is_not_owner_any_more,

     messages_are_forwarded, closed_is_forwarded,
     port_deliveries_are_forwarded, later_data_comes_after,
     fired_once_is_forwarded, passive_message_stays, http_messages_stay,
     ssl_messages_stay, error_message_stays, other_messages_stay,
     closed_half_closed_keeps_owner, old_owner_gets_nothing_more,
     relay_while_data_flows, relay_with_once_while_data_flows,
     relay_with_count_while_data_flows, buffered_input_moves_along,
     pending_recv_survives_transfer, listener_is_handed_over,
     acceptors_survive_transfer,

     down_when_owner_closes, down_when_another_closes, down_at_end_of_stream,
     down_after_reset, down_after_shown_reset, down_after_framing_error,
     no_down_for_passive_end, no_down_when_half_closed,
     down_with_reason_of_owner, down_for_listener,
     down_at_once_for_closed_socket, many_monitors,
     monitor_from_another_process, cancelled_monitor_is_silent,
     cancel_after_down, monitor_survives_transfer,

     owner_survives_every_end, trapping_owner_survives_every_end,
     own_close_leaves_no_exit_message].

%%
%% Owners
%%

%% The caller of connect owns the socket: only it may hand it over, and the
%% socket ends with it.
connect_makes_owner(_Config) ->
    Owner = do_process(),
    L = tcp_pairs:peer_listen(),
    {ok, S} = do_in(Owner, fun() ->
        gen_tcp:connect({127, 0, 0, 1}, tcp_pairs:peer_port(L), [], 5000)
    end),
    P = tcp_pairs:peer_accept(L),
    {error, not_owner} = gen_tcp:controlling_process(S, self()),
    kill(Owner),
    {<<>>, closed} = tcp_pairs:peer_recv_all(P),
    tcp_pairs:peer_close(P),
    tcp_pairs:peer_close(L).

%% The caller of accept owns the accepted socket, not the owner of the
%% listener.
accept_makes_owner(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    P = tcp_pairs:peer_connect(Port),
    Acceptor = do_process(),
    {ok, S} = do_in(Acceptor, fun() -> gen_tcp:accept(L, 5000) end),
    {error, not_owner} = gen_tcp:controlling_process(S, self()),
    kill(Acceptor),
    {<<>>, closed} = tcp_pairs:peer_recv_all(P),
    {error, timeout} = gen_tcp:accept(L, 0),
    tcp_pairs:peer_close(P),
    ok = gen_tcp:close(L).

%% The caller of listen owns the listener.
listen_makes_owner(_Config) ->
    Owner = do_process(),
    {L, Port} = do_in(Owner, fun() -> tcp_pairs:listen() end),
    {error, not_owner} = gen_tcp:controlling_process(L, self()),
    {error, timeout} = gen_tcp:accept(L, 0),
    kill(Owner),
    tcp_pairs:eventually(fun() -> gen_tcp:accept(L, 0) =:= {error, closed} end),
    {error, econnrefused} = gen_tcp:connect({127, 0, 0, 1}, Port, [], 5000).

%% Every call but controlling_process works from any process.
any_process_may_call(_Config) ->
    do_with_peer([], fun(S, P) ->
        Other = fun tcp_pairs:by_another/1,
        ok = Other(fun() -> gen_tcp:send(S, "hello") end),
        <<"hello">> = tcp_pairs:peer_recv(P, 5),
        ok = tcp_pairs:peer_send(P, "world"),
        {ok, <<"world">>} = Other(fun() -> gen_tcp:recv(S, 5, 5000) end),
        ok = Other(fun() -> gen_tcp:unrecv(S, <<"again">>) end),
        {ok, <<"again">>} = Other(fun() -> gen_tcp:recv(S, 5, 5000) end),
        ok = Other(fun() -> inet:setopts(S, [{nodelay, true}]) end),
        {ok, [{nodelay, true}]} = Other(fun() -> inet:getopts(S, [nodelay]) end),
        {ok, [_]} = Other(fun() -> inet:getstat(S, [recv_oct]) end),
        {ok, _} = Other(fun() -> inet:peername(S) end),
        {ok, _} = Other(fun() -> inet:sockname(S) end),
        {ok, _} = Other(fun() -> inet:port(S) end),
        #{states := _} = Other(fun() -> inet:info(S) end),
        {error, not_owner} =
            Other(fun() -> gen_tcp:controlling_process(S, spawn(fun() -> ok end)) end),
        ok = Other(fun() -> gen_tcp:shutdown(S, write) end),
        {<<>>, closed} = tcp_pairs:peer_recv_all(P),
        ok = Other(fun() -> gen_tcp:close(S) end),
        {error, closed} = gen_tcp:recv(S, 0, 1000)
    end).

%% Accept works from any process, and close of the listener too.
any_process_may_accept(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    P = tcp_pairs:peer_connect(Port),
    {ok, _} = tcp_pairs:by_another(fun() -> gen_tcp:accept(L, 5000) end),
    {error, timeout} = tcp_pairs:by_another(fun() -> gen_tcp:accept(L, 10) end),
    ok = tcp_pairs:by_another(fun() -> gen_tcp:close(L) end),
    {error, closed} = gen_tcp:accept(L, 1000),
    tcp_pairs:peer_close(P).

%% The socket closes with its owner, whatever the reason, in every mode.
owner_exit_closes_socket(_Config) ->
    [do_with_owned([{active, Active}], fun(S, P, Owner) ->
         do_exit(Owner, Reason),
         {<<>>, closed} = tcp_pairs:peer_recv_all(P),
         tcp_pairs:eventually(fun() -> tcp_pairs:is_gone(S) end)
     end) || Active <- [false, true, once, 5],
             Reason <- [normal, shutdown, crash, kill]],
    ok.

%% A process that waits in recv gets closed.
owner_exit_releases_recv(_Config) ->
    do_with_owned([], fun(S, _P, Owner) ->
        Receiver = start(fun() -> gen_tcp:recv(S, 0) end),
        waits(Receiver),
        do_exit(Owner, kill),
        {error, closed} = result(Receiver)
    end).

%% Processes that wait in accept get closed.
owner_exit_releases_accept(_Config) ->
    Owner = do_process(),
    {L, _} = do_in(Owner, fun() -> tcp_pairs:listen() end),
    Acceptors = [start(fun() -> gen_tcp:accept(L) end) || _ <- [1, 2, 3]],
    waits(hd(Acceptors)),
    do_exit(Owner, shutdown),
    [{error, closed} = result(Acceptor) || Acceptor <- Acceptors],
    ok.

%% Sends by others say closed.
owner_exit_fails_sends(_Config) ->
    do_with_owned([{active, true}], fun(S, _P, Owner) ->
        ok = gen_tcp:send(S, "x"),
        do_exit(Owner, kill),
        tcp_pairs:eventually(fun() -> gen_tcp:send(S, "x") =:= {error, closed} end)
    end).

%% The exit of a process that used the socket without owning it does
%% nothing to it.
other_process_exit_closes_nothing(_Config) ->
    do_with_peer([], fun(S, P) ->
        User = do_process(),
        ok = do_in(User, fun() -> gen_tcp:send(S, "x") end),
        {error, timeout} = do_in(User, fun() -> gen_tcp:recv(S, 0, 0) end),
        do_exit(User, kill),
        ok = gen_tcp:send(S, "y"),
        <<"xy">> = tcp_pairs:peer_recv(P, 2),
        {ok, _} = inet:peername(S)
    end).

%% Accepted sockets live on when the listener is closed.
accepted_socket_outlives_listener(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    P = tcp_pairs:peer_connect(Port),
    {ok, S} = gen_tcp:accept(L, 5000),
    ok = gen_tcp:close(L),
    ok = gen_tcp:send(S, "x"),
    <<"x">> = tcp_pairs:peer_recv(P, 1),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(P).

%% And when the owner of the listener is killed.
accepted_socket_outlives_listener_owner(_Config) ->
    Owner = do_process(),
    {L, Port} = do_in(Owner, fun() -> tcp_pairs:listen() end),
    P = tcp_pairs:peer_connect(Port),
    {ok, S} = gen_tcp:accept(L, 5000),
    kill(Owner),
    tcp_pairs:eventually(fun() -> gen_tcp:accept(L, 0) =:= {error, closed} end),
    ok = gen_tcp:send(S, "x"),
    <<"x">> = tcp_pairs:peer_recv(P, 1),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(P).

%%
%% controlling_process
%%

%% Only the owner may hand a socket over; nothing changes otherwise.
not_owner(_Config) ->
    do_with_peer([{active, 3}], fun(S, _P) ->
        Other = do_process(),
        {error, not_owner} =
            do_in(Other, fun() -> gen_tcp:controlling_process(S, Other) end),
        {ok, [{active, 3}]} = inet:getopts(S, [active]),
        ok = gen_tcp:controlling_process(S, Other),
        {error, not_owner} = gen_tcp:controlling_process(S, self())
    end).

%% If the new owner is the owner already it is ok, whoever calls, and
%% messages stay where they are.
already_owner(_Config) ->
    do_with_peer([{packet, 1}, {active, once}], fun(S, P) ->
        Owner = self(),
        ok = tcp_pairs:by_another(fun() -> gen_tcp:controlling_process(S, Owner) end),
        {ok, [{active, once}]} = inet:getopts(S, [active]),
        ok = tcp_pairs:peer_send(P, <<1, "a">>),
        mailbox:stay([{tcp, S, <<"a">>}]),
        ok = gen_tcp:controlling_process(S, self()),
        [{tcp, S, <<"a">>}] = tcp_pairs:flush()
    end).

%% What is no pid raises.
new_owner_is_no_pid(_Config) ->
    do_with_peer([], fun(S, _P) ->
        [try gen_tcp:controlling_process(S, Bad) of
             Result -> ct:fail({Bad, Result})
         catch
             error:function_clause -> ok
         end || Bad <- [foo, "pid", make_ref()]],
        ok = gen_tcp:controlling_process(S, self())
    end).

%% Closed comes before anything else.
closed_socket(_Config) ->
    do_with_peer([], fun(S, _P) ->
        ok = gen_tcp:close(S),
        {error, closed} = gen_tcp:controlling_process(S, self()),
        {error, closed} = gen_tcp:controlling_process(S, foo),
        {error, closed} =
            tcp_pairs:by_another(fun() -> gen_tcp:controlling_process(S, self()) end)
    end).

%% The messages of a socket that has gone stay in the mailbox of its owner.
closed_socket_keeps_messages(_Config) ->
    do_with_peer([{packet, 1}, {active, true}], fun(S, P) ->
        ok = tcp_pairs:peer_send(P, <<1, "a">>),
        ok = tcp_pairs:peer_shutdown(P, write),
        mailbox:stay([{tcp, S, <<"a">>}, {tcp_closed, S}]),
        New = do_process(),
        {error, closed} = gen_tcp:controlling_process(S, New),
        [{tcp, S, <<"a">>}, {tcp_closed, S}] = tcp_pairs:flush(),
        [] = do_in(New, fun tcp_pairs:flush/0)
    end).

%% The new owner is dead: badarg; the caller is still the owner, and the
%% socket passive.
dead_new_owner(_Config) ->
    [do_with_peer([{packet, 1}, {active, Active}], fun(S, P) ->
         {error, badarg} = gen_tcp:controlling_process(S, do_dead()),
         {ok, [{active, false}]} = inet:getopts(S, [active]),
         ok = inet:setopts(S, [{active, once}]),
         ok = tcp_pairs:peer_send(P, <<1, "a">>),
         {tcp, S, <<"a">>} = next(),
         ok = gen_tcp:controlling_process(S, do_process())
     end) || Active <- [true, once, 3, false]],
    ok.

%% Messages that would have been forwarded are gone.
dead_new_owner_loses_messages(_Config) ->
    do_with_peer([{packet, 1}, {active, 1}], fun(S, P) ->
        ok = tcp_pairs:peer_send(P, <<1, "a">>),
        mailbox:stay([{tcp, S, <<"a">>}, {tcp_passive, S}]),
        {error, badarg} = gen_tcp:controlling_process(S, do_dead()),
        [{tcp_passive, S}] = tcp_pairs:flush()
    end).

%% The count is forgotten, without tcp_passive.
dead_new_owner_forgets_count(_Config) ->
    do_with_peer([{active, 7}], fun(S, _P) ->
        {error, badarg} = gen_tcp:controlling_process(S, do_dead()),
        none(),
        ok = inet:setopts(S, [{active, 2}]),
        {ok, [{active, 2}]} = inet:getopts(S, [active])
    end).

%% `active' is after the transfer what it was before.
active_value_is_kept(_Config) ->
    [do_with_peer([{active, Active}], fun(S, _P) ->
         New = do_process(),
         ok = gen_tcp:controlling_process(S, New),
         {ok, [{active, Active}]} = inet:getopts(S, [active]),
         [] = do_in(New, fun tcp_pairs:flush/0),
         none()
     end) || Active <- [true, false, once, 1, 5, 32767]],
    ok.

%% What is left of a count goes along, and the new owner gets tcp_passive.
count_is_kept(_Config) ->
    do_with_peer([{packet, 1}, {active, 3}], fun(S, P) ->
        ok = tcp_pairs:peer_send(P, <<1, "a">>),
        {tcp, S, <<"a">>} = next(),
        New = do_process(),
        ok = gen_tcp:controlling_process(S, New),
        {ok, [{active, 2}]} = inet:getopts(S, [active]),
        ok = tcp_pairs:peer_send(P, <<1, "b", 1, "c">>),
        {tcp, S, <<"b">>} = do_in(New, fun mailbox:next/0),
        {tcp, S, <<"c">>} = do_in(New, fun mailbox:next/0),
        {tcp_passive, S} = do_in(New, fun mailbox:next/0),
        none()
    end).

%% Data and the end of the stream go to the new owner in every mode.
modes_work_after_transfer(_Config) ->
    [do_with_peer([{packet, 1}, {active, Active}], fun(S, P) ->
         New = do_process(),
         ok = gen_tcp:controlling_process(S, New),
         ok = tcp_pairs:peer_send(P, <<1, "a">>),
         ok = tcp_pairs:peer_shutdown(P, write),
         [ok = inet:setopts(S, [{active, once}]) || Active =:= false],
         {tcp, S, <<"a">>} = do_in(New, fun mailbox:next/0),
         [ok = inet:setopts(S, [{active, once}]) || Active =:= once
                                                  orelse Active =:= false],
         {tcp_closed, S} = do_in(New, fun mailbox:next/0),
         none()
     end) || Active <- [true, false, once, 5]],
    ok.

%% The socket ends with its new owner.
new_owner_takes_the_socket_with_it(_Config) ->
    do_with_peer([{active, true}], fun(S, P) ->
        New = do_process(),
        ok = gen_tcp:controlling_process(S, New),
        do_exit(New, kill),
        {<<>>, closed} = tcp_pairs:peer_recv_all(P),
        tcp_pairs:eventually(fun() -> tcp_pairs:is_gone(S) end),
        none()
    end).

%% And not with the old one.
old_owner_may_exit(_Config) ->
    do_with_owned([{active, true}], fun(S, P, Owner) ->
        Case = self(),
        ok = do_in(Owner, fun() -> gen_tcp:controlling_process(S, Case) end),
        do_exit(Owner, crash),
        ok = gen_tcp:send(S, "x"),
        <<"x">> = tcp_pairs:peer_recv(P, 1),
        ok = tcp_pairs:peer_send(P, "y"),
        {tcp, S, <<"y">>} = next(),
        ok = gen_tcp:close(S)
    end).

%% Each owner hands the socket to the next one.
transfer_chain(_Config) ->
    do_with_peer([{active, once}], fun(S, P) ->
        Last = lists:foldl(fun(_, Owner) ->
            Next = do_process(),
            ok = do_in(Owner, fun() -> gen_tcp:controlling_process(S, Next) end),
            do_exit(Owner, normal),
            Next
        end, do_hand_over(S), lists:seq(1, 10)),
        ok = tcp_pairs:peer_send(P, "x"),
        {tcp, S, <<"x">>} = do_in(Last, fun mailbox:next/0),
        none()
    end).

%% A socket may come back.
transfer_back(_Config) ->
    do_with_peer([{active, true}], fun(S, P) ->
        Other = do_hand_over(S),
        Case = self(),
        ok = do_in(Other, fun() -> gen_tcp:controlling_process(S, Case) end),
        do_exit(Other, kill),
        ok = tcp_pairs:peer_send(P, "x"),
        {tcp, S, <<"x">>} = next(),
        Again = do_hand_over(S),
        ok = tcp_pairs:peer_send(P, "y"),
        {tcp, S, <<"y">>} = do_in(Again, fun mailbox:next/0)
    end).

%% Having opened the socket gives no right to it after the transfer.
creator_is_not_owner_any_more(_Config) ->
    do_with_peer([], fun(S, _P) ->
        New = do_hand_over(S),
        Third = do_process(),
        {error, not_owner} = gen_tcp:controlling_process(S, Third),
        ok = gen_tcp:controlling_process(S, New),
        ok = do_in(New, fun() -> gen_tcp:controlling_process(S, Third) end)
    end).

%%
%% What the transfer does with messages
%%

%% Data that is in the mailbox of the old owner is forwarded, in order.
messages_are_forwarded(_Config) ->
    do_with_peer([{packet, 1}, {active, true}], fun(S, P) ->
        ok = tcp_pairs:peer_send(P, <<1, "a", 1, "b", 1, "c">>),
        Messages = [{tcp, S, <<C>>} || C <- "abc"],
        mailbox:stay(Messages),
        New = do_hand_over(S),
        [] = tcp_pairs:flush(),
        Messages = do_in(New, fun tcp_pairs:flush/0)
    end).

%% So is tcp_closed, behind the data.
closed_is_forwarded(_Config) ->
    Opts = [{packet, 1}, {active, true}, {exit_on_close, false}],
    do_with_peer(Opts, fun(S, P) ->
        ok = tcp_pairs:peer_send(P, <<1, "a">>),
        ok = tcp_pairs:peer_shutdown(P, write),
        Messages = [{tcp, S, <<"a">>}, {tcp_closed, S}],
        mailbox:stay(Messages),
        New = do_process(),
        ok = gen_tcp:controlling_process(S, New),
        [] = tcp_pairs:flush(),
        Messages = do_in(New, fun tcp_pairs:flush/0)
    end).

%% And data of `{deliver, port}'.
port_deliveries_are_forwarded(_Config) ->
    do_with_peer([{packet, 1}, {deliver, port}, {active, true}], fun(S, P) ->
        ok = tcp_pairs:peer_send(P, <<1, "a", 1, "b">>),
        Messages = [{S, {data, <<C>>}} || C <- "ab"],
        mailbox:stay(Messages),
        New = do_hand_over(S),
        [] = tcp_pairs:flush(),
        Messages = do_in(New, fun tcp_pairs:flush/0)
    end).

%% Data that arrives later comes after the forwarded messages.
later_data_comes_after(_Config) ->
    do_with_peer([{packet, 1}, {active, 3}], fun(S, P) ->
        ok = tcp_pairs:peer_send(P, <<1, "a", 1, "b">>),
        mailbox:stay([{tcp, S, <<"a">>}, {tcp, S, <<"b">>}]),
        New = do_hand_over(S),
        ok = tcp_pairs:peer_send(P, <<1, "c", 1, "d">>),
        [{tcp, S, <<C>>} = do_in(New, fun mailbox:next/0) || C <- "abc"],
        {tcp_passive, S} = do_in(New, fun mailbox:next/0),
        none()
    end).

%% `once' has fired: the message goes along and the socket is passive.
fired_once_is_forwarded(_Config) ->
    do_with_peer([{packet, 1}, {active, once}], fun(S, P) ->
        ok = tcp_pairs:peer_send(P, <<1, "a", 1, "b">>),
        mailbox:stay([{tcp, S, <<"a">>}]),
        New = do_hand_over(S),
        {ok, [{active, false}]} = inet:getopts(S, [active]),
        [{tcp, S, <<"a">>}] = do_in(New, fun tcp_pairs:flush/0),
        {ok, <<"b">>} = do_in(New, fun() -> gen_tcp:recv(S, 0, 5000) end)
    end).

%% tcp_passive stays with the old owner.
passive_message_stays(_Config) ->
    do_with_peer([{packet, 1}, {active, 1}], fun(S, P) ->
        ok = tcp_pairs:peer_send(P, <<1, "a">>),
        mailbox:stay([{tcp, S, <<"a">>}, {tcp_passive, S}]),
        New = do_hand_over(S),
        [{tcp_passive, S}] = tcp_pairs:flush(),
        [{tcp, S, <<"a">>}] = do_in(New, fun tcp_pairs:flush/0)
    end).

%% http items stay.
http_messages_stay(_Config) ->
    do_with_peer([{packet, http_bin}, {active, true}], fun(S, P) ->
        ok = tcp_pairs:peer_send(P, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        mailbox:stay([{http, S, Item} ||
                      Item <- [{http_request, 'GET', {abs_path, <<"/">>}, {1, 1}},
                               {http_header, 14, 'Host', <<"Host">>, <<"h">>},
                               http_eoh]]),
        New = do_hand_over(S),
        [{http, S, _}, {http, S, _}, {http, S, http_eoh}] = tcp_pairs:flush(),
        [] = do_in(New, fun tcp_pairs:flush/0)
    end).

%% Ssl records stay.
ssl_messages_stay(_Config) ->
    do_with_peer([{packet, ssl_tls}, {active, true}], fun(S, P) ->
        ok = tcp_pairs:peer_send(P, <<23, 3, 1, 1:16, "a">>),
        mailbox:stay([{ssl_tls, S, 23, {3, 1}, <<"a">>}]),
        New = do_hand_over(S),
        [{ssl_tls, S, 23, {3, 1}, <<"a">>}] = tcp_pairs:flush(),
        [] = do_in(New, fun tcp_pairs:flush/0)
    end).

%% tcp_error stays, tcp_closed is forwarded.
error_message_stays(_Config) ->
    Opts = [{active, true}, {exit_on_close, false}, {show_econnreset, true}],
    do_with_peer(Opts, fun(S, P) ->
        tcp_pairs:peer_reset(P),
        mailbox:stay([{tcp_error, S, econnreset}, {tcp_closed, S}]),
        New = do_process(),
        ok = gen_tcp:controlling_process(S, New),
        [{tcp_error, S, econnreset}] = tcp_pairs:flush(),
        [{tcp_closed, S}] = do_in(New, fun tcp_pairs:flush/0)
    end).

%% Messages that are not of this socket stay, in their order.
other_messages_stay(_Config) ->
    do_with_peer([{packet, 1}, {active, true}], fun(S, P) ->
        do_with_peer([{packet, 1}, {active, true}], fun(S2, P2) ->
            ok = tcp_pairs:peer_send(P2, <<1, "x">>),
            mailbox:stay([{tcp, S2, <<"x">>}]),
            ok = tcp_pairs:peer_send(P, <<1, "a">>),
            mailbox:stay([{tcp, S2, <<"x">>}, {tcp, S, <<"a">>}]),
            self() ! {tcp, not_a_socket, "y"},
            New = do_hand_over(S),
            [{tcp, S2, <<"x">>}, {tcp, not_a_socket, "y"}] = tcp_pairs:flush(),
            [{tcp, S, <<"a">>}] = do_in(New, fun tcp_pairs:flush/0)
        end)
    end).

%% With tcp_closed in the mailbox and `exit_on_close' false the transfer
%% says ok and forwards the message, but the owner stays the owner and the socket
%% is passive.
closed_half_closed_keeps_owner(_Config) ->
    do_with_peer([{active, true}, {exit_on_close, false}], fun(S, P) ->
        ok = tcp_pairs:peer_shutdown(P, write),
        mailbox:stay([{tcp_closed, S}]),
        New = do_process(),
        ok = gen_tcp:controlling_process(S, New),
        {tcp_closed, S} = do_in(New, fun mailbox:next/0),
        {ok, [{active, false}]} = inet:getopts(S, [active]),
        {error, not_owner} =
            do_in(New, fun() -> gen_tcp:controlling_process(S, New) end),
        do_exit(New, kill),
        ok = gen_tcp:send(S, "still open"),
        <<"still open">> = tcp_pairs:peer_recv(P, 10)
    end).

%% After the transfer no message reaches the old owner, although the peer
%% is sending all the time.
old_owner_gets_nothing_more(_Config) ->
    do_with_peer([{packet, 4}, {active, true}], fun(S, P) ->
        do_numbers(P, 2000),
        {tcp, S, <<1:32>>} = next(),
        New = do_hand_over(S),
        none(),
        [{tcp, S, <<I:32>>} = do_in(New, fun mailbox:next/0) || I <- lists:seq(2, 2000)],
        none()
    end).

%% A relay of owners while data flows: none loses, repeats or
%% reorders a packet.
relay_while_data_flows(_Config) ->
    do_relay([{active, true}], fun(_S) -> ok end).

%% The same with `once', set again after each packet.
relay_with_once_while_data_flows(_Config) ->
    do_relay([{active, once}], fun(S) -> ok = inet:setopts(S, [{active, once}]) end).

%% The same with a count that is raised after each packet.
relay_with_count_while_data_flows(_Config) ->
    do_relay([{active, 10}], fun(S) -> ok = inet:setopts(S, [{active, 1}]) end).

%% Input that was read but not delivered moves along.
buffered_input_moves_along(_Config) ->
    do_with_peer([{packet, 1}], fun(S, P) ->
        ok = tcp_pairs:peer_send(P, <<1, "a", 1, "b", 2, "c">>),
        {ok, <<"a">>} = gen_tcp:recv(S, 0, 5000),
        New = do_hand_over(S),
        {ok, <<"b">>} = do_in(New, fun() -> gen_tcp:recv(S, 0, 5000) end),
        ok = do_in(New, fun() -> inet:setopts(S, [{active, once}]) end),
        ok = tcp_pairs:peer_send(P, "d"),
        {tcp, S, <<"cd">>} = do_in(New, fun mailbox:next/0)
    end).

%% Another process waits in recv during the transfer and gets the
%% data.
pending_recv_survives_transfer(_Config) ->
    do_with_peer([], fun(S, P) ->
        Receiver = start(fun() -> gen_tcp:recv(S, 1, 10000) end),
        waits(Receiver),
        New = do_hand_over(S),
        waits(Receiver),
        ok = tcp_pairs:peer_send(P, "x"),
        {ok, <<"x">>} = result(Receiver),
        [] = do_in(New, fun tcp_pairs:flush/0)
    end).

%% A listener is handed over like any other socket.
listener_is_handed_over(_Config) ->
    Old = do_process(),
    New = do_process(),
    {L, Port} = do_in(Old, fun() -> tcp_pairs:listen() end),
    {error, not_owner} = gen_tcp:controlling_process(L, New),
    ok = do_in(Old, fun() -> gen_tcp:controlling_process(L, New) end),
    do_exit(Old, kill),
    P = tcp_pairs:peer_connect(Port),
    {ok, S} = gen_tcp:accept(L, 5000),
    ok = gen_tcp:send(S, "x"),
    <<"x">> = tcp_pairs:peer_recv(P, 1),
    do_exit(New, kill),
    tcp_pairs:eventually(fun() -> gen_tcp:accept(L, 0) =:= {error, closed} end),
    ok = gen_tcp:close(S),
    tcp_pairs:peer_close(P).

%% Processes that wait in accept do not notice.
acceptors_survive_transfer(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    Acceptors = [start(fun() -> element(1, gen_tcp:accept(L, 10000)) end)
                 || _ <- [1, 2]],
    [waits(Acceptor) || Acceptor <- Acceptors],
    New = do_hand_over(L),
    [waits(Acceptor) || Acceptor <- Acceptors],
    Peers = [tcp_pairs:peer_connect(Port) || _ <- [1, 2]],
    [ok = result(Acceptor) || Acceptor <- Acceptors],
    do_exit(New, kill),
    [tcp_pairs:peer_close(P) || P <- Peers],
    ok.

%%
%% Monitors
%%

%% Close by the owner: DOWN with reason normal.
down_when_owner_closes(_Config) ->
    [do_with_peer([{active, Active}], fun(S, _P) ->
         Ref = inet:monitor(S),
         ok = gen_tcp:close(S),
         normal = do_down(Ref, S),
         none()
     end) || Active <- [false, true]],
    ok.

%% Close by another process: the same.
down_when_another_closes(_Config) ->
    do_with_peer([{active, once}], fun(S, _P) ->
        Ref = inet:monitor(S),
        ok = tcp_pairs:by_another(fun() -> gen_tcp:close(S) end),
        normal = do_down(Ref, S),
        none()
    end).

%% The end of the stream on an armed socket: tcp_closed, then DOWN.
down_at_end_of_stream(_Config) ->
    do_with_peer([{active, true}], fun(S, P) ->
        Ref = inet:monitor(S),
        ok = tcp_pairs:peer_shutdown(P, write),
        {tcp_closed, S} = next(),
        {'DOWN', Ref, _, S, normal} = next(),
        none()
    end).

%% A reset that is not shown: the same.
down_after_reset(_Config) ->
    do_with_peer([{active, true}], fun(S, P) ->
        Ref = inet:monitor(S),
        tcp_pairs:peer_reset(P),
        {tcp_closed, S} = next(),
        {'DOWN', Ref, _, S, normal} = next(),
        none()
    end).

%% With show_econnreset the reason is econnreset.
down_after_shown_reset(_Config) ->
    do_with_peer([{active, true}, {show_econnreset, true}], fun(S, P) ->
        Ref = inet:monitor(S),
        tcp_pairs:peer_reset(P),
        {tcp_error, S, econnreset} = next(),
        {tcp_closed, S} = next(),
        {'DOWN', Ref, _, S, econnreset} = next(),
        none()
    end).

%% After a framing error it is emsgsize.
down_after_framing_error(_Config) ->
    do_with_peer([{active, true}, {packet, 1}, {packet_size, 2}], fun(S, P) ->
        Ref = inet:monitor(S),
        ok = tcp_pairs:peer_send(P, <<3, "abc">>),
        {tcp_error, S, emsgsize} = next(),
        {tcp_closed, S} = next(),
        {'DOWN', Ref, _, S, emsgsize} = next(),
        none()
    end).

%% An end that recv reported is not the end of the socket: DOWN comes when
%% it is closed.
no_down_for_passive_end(_Config) ->
    do_with_peer([], fun(S, P) ->
        Ref = inet:monitor(S),
        ok = tcp_pairs:peer_shutdown(P, write),
        {error, closed} = gen_tcp:recv(S, 0, 5000),
        {error, enotconn} = gen_tcp:recv(S, 0, 5000),
        none(),
        ok = gen_tcp:close(S),
        normal = do_down(Ref, S)
    end).

%% Nor is tcp_closed with `exit_on_close' false.
no_down_when_half_closed(_Config) ->
    do_with_peer([{active, true}, {exit_on_close, false}], fun(S, P) ->
        Ref = inet:monitor(S),
        ok = tcp_pairs:peer_shutdown(P, write),
        {tcp_closed, S} = next(),
        none(),
        ok = gen_tcp:close(S),
        normal = do_down(Ref, S)
    end).

%% When the owner exits its reason is the reason of DOWN.
down_with_reason_of_owner(_Config) ->
    [do_with_owned([{active, true}], fun(S, _P, Owner) ->
         Ref = inet:monitor(S),
         do_exit(Owner, Reason),
         Reported = do_down(Ref, S)
     end) || {Reason, Reported} <- [{normal, normal}, {shutdown, shutdown},
                                    {{crash, [1]}, {crash, [1]}},
                                    {kill, killed}]],
    ok.

%% Listeners are monitored in the same way.
down_for_listener(_Config) ->
    {L, _} = tcp_pairs:listen(),
    Ref = inet:monitor(L),
    ok = gen_tcp:close(L),
    normal = do_down(Ref, L),
    Owner = do_process(),
    {L2, _} = do_in(Owner, fun() -> tcp_pairs:listen() end),
    Ref2 = inet:monitor(L2),
    do_exit(Owner, crash),
    crash = do_down(Ref2, L2).

%% On a closed socket DOWN comes at once with noproc.
down_at_once_for_closed_socket(_Config) ->
    do_with_peer([{active, true}], fun(S, _P) ->
        ok = gen_tcp:close(S),
        Ref = inet:monitor(S),
        noproc = do_down(Ref, S)
    end),
    do_with_peer([{active, true}], fun(S, P) ->
        ok = tcp_pairs:peer_shutdown(P, write),
        {tcp_closed, S} = next(),
        Ref = inet:monitor(S),
        noproc = do_down(Ref, S)
    end).

%% Each call to monitor has its own DOWN.
many_monitors(_Config) ->
    do_with_peer([], fun(S, _P) ->
        Refs = [inet:monitor(S) || _ <- lists:seq(1, 5)],
        5 = length(lists:usort(Refs)),
        ok = gen_tcp:close(S),
        [normal = do_down(Ref, S) || Ref <- Refs],
        none()
    end).

%% Any process may monitor; its exit or its monitor is of no concern to
%% the socket.
monitor_from_another_process(_Config) ->
    do_with_peer([], fun(S, P) ->
        Watcher = do_process(),
        Gone = do_process(),
        Ref = do_in(Watcher, fun() -> inet:monitor(S) end),
        _ = do_in(Gone, fun() -> inet:monitor(S) end),
        do_exit(Gone, kill),
        ok = gen_tcp:send(S, "x"),
        <<"x">> = tcp_pairs:peer_recv(P, 1),
        ok = gen_tcp:close(S),
        normal = do_in(Watcher, fun() -> do_down(Ref, S) end),
        none()
    end).

%% A cancelled monitor sends nothing; the others do.
cancelled_monitor_is_silent(_Config) ->
    do_with_peer([], fun(S, _P) ->
        Cancelled = inet:monitor(S),
        Kept = inet:monitor(S),
        true = inet:cancel_monitor(Cancelled),
        false = inet:cancel_monitor(Cancelled),
        ok = gen_tcp:close(S),
        normal = do_down(Kept, S),
        none()
    end).

%% Once DOWN was sent there is nothing to cancel, and it stays in the
%% mailbox.
cancel_after_down(_Config) ->
    do_with_peer([], fun(S, _P) ->
        Ref = inet:monitor(S),
        ok = gen_tcp:close(S),
        Down = next(),
        {'DOWN', Ref, _, S, normal} = Down,
        self() ! Down,
        false = inet:cancel_monitor(Ref),
        normal = do_down(Ref, S),
        false = inet:cancel_monitor(make_ref())
    end).

%% A monitor is not disturbed by a transfer and reports the exit of
%% the new owner.
monitor_survives_transfer(_Config) ->
    do_with_peer([{active, true}], fun(S, _P) ->
        Ref = inet:monitor(S),
        New = do_hand_over(S),
        none(),
        do_exit(New, {shutdown, new_owner}),
        {shutdown, new_owner} = do_down(Ref, S)
    end).

%%
%% Exit signals
%%

%% An owner that does not trap exits lives on, however its
%% socket ends.
owner_survives_every_end(_Config) ->
    [do_with_owned(Opts, fun(S, P, Owner) ->
         Ref = inet:monitor(S),
         ok = End(S, P),
         _ = do_down(Ref, S),
         alive = do_in(Owner, fun() -> alive end)
     end) || {Opts, End} <- do_ends()],
    ok.

%% One that traps exits too, and its mailbox has nothing but messages
%% of the socket. A port socket that another process closes also sends
%% `{'EXIT', S, normal}', which a socket that is not a port cannot.
trapping_owner_survives_every_end(Config) ->
    [do_with_owned(Opts, fun(S, P, Owner) ->
         false = do_in(Owner, fun() -> process_flag(trap_exit, true) end),
         Ref = inet:monitor(S),
         ok = End(S, P),
         _ = do_down(Ref, S),
         Messages = do_in(Owner, fun tcp_pairs:flush/0),
         Exits = [M || {'EXIT', _, _} = M <- Messages],
         case driver_groups:on_stock(Config) of
             true -> [] = Exits -- [{'EXIT', S, normal}];
             false -> [] = Exits
         end,
         [] = [M || M <- Messages -- Exits, element(2, M) =/= S]
     end) || {Opts, End} <- do_ends()],
    ok.

%% An owner that traps exits and closes its socket finds nothing in its
%% mailbox.
own_close_leaves_no_exit_message(_Config) ->
    do_with_owned([{active, true}], fun(S, _P, Owner) ->
        false = do_in(Owner, fun() -> process_flag(trap_exit, true) end),
        ok = do_in(Owner, fun() -> gen_tcp:close(S) end),
        [] = do_in(Owner, fun tcp_pairs:flush/0),
        none(),
        [] = do_in(Owner, fun tcp_pairs:flush/0)
    end).

%% The ways in which a socket comes to its end while its owner does nothing.
do_ends() ->
    Close = fun(S, _P) -> gen_tcp:close(S) end,
    Finish = fun(_S, P) -> tcp_pairs:peer_shutdown(P, write) end,
    Reset = fun(_S, P) -> tcp_pairs:peer_reset(P) end,
    Oversize = fun(_S, P) -> tcp_pairs:peer_send(P, <<3, "abc">>) end,
    [{[], Close},
     {[{active, true}], Close},
     {[{active, true}], Finish},
     {[{active, once}], Finish},
     {[{active, true}], Reset},
     {[{active, true}, {show_econnreset, true}], Reset},
     {[{active, true}, {packet, 1}, {packet_size, 2}], Oversize}].

%%
%% A relay of owners
%%

%% Twenty owners, each takes 50 packets and hands the socket on; Rearm is
%% called after each packet. No old owner gets a message after its transfer.
do_relay(Opts, Rearm) ->
    Owners = 20,
    Packets = 50,
    do_with_peer([{packet, 4} | Opts], fun(S, P) ->
        Pids = [do_process() || _ <- lists:seq(1, Owners)],
        ok = gen_tcp:controlling_process(S, hd(Pids)),
        do_numbers(P, Owners * Packets),
        lists:foldl(fun({Pid, Next}, I) ->
            do_in(Pid, fun() ->
                [begin
                     {tcp, S, <<J:32>>} = do_next_tcp(S),
                     Rearm(S)
                 end || J <- lists:seq(I, I + Packets - 1)],
                ok = gen_tcp:controlling_process(S, Next),
                witness:has_come(),
                receive {tcp, S, _} = Late -> Late after 0 -> none end
            end) =:= none orelse ct:fail({late_message, I}),
            I + Packets
        end, 1, lists:zip(Pids, tl(Pids) ++ [self()])),
        none()
    end).

do_next_tcp(S) ->
    receive {tcp, S, _} = Message -> Message after 10000 -> timeout end.

%% A process of its own sends the numbers 1..Last as 4 byte packets.
do_numbers(P, Last) ->
    spawn_link(fun() ->
        [ok = tcp_pairs:peer_send(P, [<<4:32, J:32>>
                                      || J <- lists:seq(I, min(I + 9, Last))])
         || I <- lists:seq(1, Last, 10)]
    end).

%%
%% Sockets
%%

%% A socket of the case with a plain peer. Returns ok, because Common Test
%% prints what a case returns.
do_with_peer(Opts, Fun) ->
    tcp_pairs:with(tcp_pairs:connect_to_peer(Opts), Fun).

%% A socket that another process owns.
do_with_owned(Opts, Fun) ->
    Owner = do_process(),
    L = tcp_pairs:peer_listen(),
    {ok, S} = do_in(Owner, fun() ->
        gen_tcp:connect({127, 0, 0, 1}, tcp_pairs:peer_port(L),
                        [binary, {active, false} | Opts], 5000)
    end),
    P = tcp_pairs:peer_accept(L),
    try
        _ = Fun(S, P, Owner),
        ok
    after
        tcp_pairs:peer_reset(P),
        tcp_pairs:peer_close(L),
        kill(Owner)
    end.

%% Gives S to a new process, which is returned.
do_hand_over(S) ->
    New = do_process(),
    ok = gen_tcp:controlling_process(S, New),
    New.

%%
%% Processes that do what the case asks
%%

%% It leaves all other messages in its mailbox, and ends with the case.
do_process() ->
    Case = self(),
    spawn(fun() ->
        Monitor = monitor(process, Case),
        do_serve(Monitor)
    end).

do_serve(Monitor) ->
    receive
        {ask, From, Ref, Fun} ->
            From ! {Ref, Fun()},
            do_serve(Monitor);
        {exit, Reason} ->
            exit(Reason);
        {'DOWN', Monitor, process, _, _} ->
            ok
    end.

%% Runs Fun in Pid and returns its result.
do_in(Pid, Fun) ->
    Ref = monitor(process, Pid),
    Pid ! {ask, self(), Ref, Fun},
    receive
        {Ref, Result} ->
            demonitor(Ref, [flush]),
            Result;
        {'DOWN', Ref, process, Pid, Reason} ->
            ct:fail({process_died, Reason})
    after 20000 ->
        ct:fail(no_answer)
    end.

%% Ends Pid with Reason from inside, or by a kill signal; returns when it has
%% ended.
do_exit(Pid, kill) ->
    kill(Pid);
do_exit(Pid, Reason) ->
    Monitor = monitor(process, Pid),
    Pid ! {exit, Reason},
    receive {'DOWN', Monitor, process, Pid, Reason} -> ok end.

do_dead() ->
    Pid = do_process(),
    kill(Pid),
    Pid.

%%
%% The mailbox
%%

%% The reason in the DOWN of this monitor. Its type is `port' for a port socket;
%% a handler module may say `socket', which the manual allows. Where the reason
%% is not an atom OTP 25 says `process' for a port too, so it is not looked at.
do_down(Ref, S) ->
    receive
        {'DOWN', Ref, Type, S, Reason} ->
            true = Type =:= port orelse Type =:= socket orelse not is_atom(Reason),
            Reason
    after 10000 ->
        ct:fail(no_down)
    end.
