%% @doc The rules of setopts, getopts and the option lists: in which order a
%% list is applied, what happens when an entry is bad or refused, what an
%% accepted socket starts with, and where defaults come from. What each
%% option takes is in option_table_SUITE.
-module(options_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").

-import(tcp_pairs, [close/2]).

suite() -> [{timetrap, {seconds, 30}}].

all() -> driver_groups:all().

groups() -> driver_groups:groups(cases()).

init_per_group(Group, Config) -> driver_groups:init(Group, Config).

end_per_group(Group, Config) -> driver_groups:done(Group, Config).

%% A case that failed must not leave its defaults to the others.
end_per_testcase(_, _) ->
    application:unset_env(kernel, inet_default_connect_options),
    application:unset_env(kernel, inet_default_listen_options).

cases() ->
    [bad_entry_applies_nothing, bad_entry_applies_nothing_on_listener, bad_entry_keeps_socket_alive,
     empty_lists, non_lists,
     setopts_from_last_to_first, setopts_active_from_last_to_first, setopts_counts_add_up,
     setopts_watermarks_from_last_to_first, setopts_mode_atoms_from_last_to_first,
     setopts_packet_before_active, setopts_active_before_packet,
     connect_last_duplicate_wins, listen_last_duplicate_wins, connect_last_active_wins,
     connect_keeps_every_raw, connect_list_is_applied_from_last_to_first,
     refusal_keeps_what_was_applied, refusal_on_listener, invisible_refusals, visible_refusals,
     refusal_in_connect_leaves_nothing, refusal_in_listen_leaves_nothing,
     getopts_keeps_the_order, getopts_leaves_out, getopts_all_or_nothing,
     accepted_while_listening_changes, accepted_from_backlog_takes_current_values,
     blocked_acceptor_takes_current_values, accepted_socket_is_independent,
     inherited_options_take_effect,
     connect_defaults_from_environment, listen_defaults_from_environment,
     single_default_from_environment, active_in_environment_is_ignored,
     bad_default_in_environment, user_wins_over_environment,
     change_everything_while_connected, change_everything_while_listening,
     change_while_armed, setopts_by_another_process, setopts_while_recv_waits,
     setopts_after_close].

%%
%% One bad entry
%%

%% With one bad or unknown entry anywhere in the list nothing is applied.
bad_entry_applies_nothing(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    Names = [packet, buffer, nodelay, active, send_timeout],
    Good = [{packet, 4}, {buffer, 99}, {nodelay, true}, {active, once}, {send_timeout, 7}],
    Before = inet:getopts(S, Names),
    [begin
         {Front, Back} = lists:split(Position, Good),
         ?assertEqual({Bad, Position, {error, einval}},
                      {Bad, Position, inet:setopts(S, Front ++ [Bad | Back])}),
         ?assertEqual({Bad, Position, Before}, {Bad, Position, inet:getopts(S, Names)})
     end || Bad <- [{keepalive, sometimes}, {no_such_option, 1}, {active, 40000}, keepalive, 17,
                    {backlog, 5}, {raw, 1, 9, 1}],
            Position <- [0, 3, 5]],
    close([S], [Peer]).

%% The same for a listener.
bad_entry_applies_nothing_on_listener(_) ->
    {L, _} = tcp_pairs:listen(),
    Names = [packet, nodelay, backlog],
    ?assertEqual({error, einval}, inet:getopts(L, Names)),
    Before = inet:getopts(L, [packet, nodelay]),
    ?assertEqual({error, einval}, inet:setopts(L, [{packet, 4}, {backlog, 5}, {nodelay, true}])),
    ?assertEqual(Before, inet:getopts(L, [packet, nodelay])),
    close([L], []).

%% A refused list does not harm the connection.
bad_entry_keeps_socket_alive(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    ?assertEqual({error, einval}, inet:setopts(S, [{active, true}, {packet, foo}])),
    tcp_pairs:peer_send(Peer, <<"still here">>),
    ?assertEqual({ok, <<"still here">>}, gen_tcp:recv(S, 10, 5000)),
    ok = gen_tcp:send(S, <<"me too">>),
    ?assertEqual(<<"me too">>, tcp_pairs:peer_recv(Peer, 6)),
    close([S], [Peer]).

%% Empty lists are fine.
empty_lists(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    {L, _} = tcp_pairs:listen(),
    ?assertEqual([ok, ok, {ok, []}, {ok, []}],
                 [inet:setopts(S, []), inet:setopts(L, []),
                  inet:getopts(S, []), inet:getopts(L, [])]),
    close([S, L], [Peer]).

%% Something that is no list raises.
non_lists(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    ?assertError({bad_generator, _}, inet:setopts(S, {active, true})),
    ?assertError(function_clause, inet:getopts(S, active)),
    ?assertError(function_clause, inet:getopts(S, {active, packet})),
    close([S], [Peer]).

%%
%% Order
%%

%% setopts applies its list from last to first, so the first of two wins.
setopts_from_last_to_first(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    {L, _} = tcp_pairs:listen(),
    [begin
         ?assertEqual(ok, inet:setopts(Socket, [{nodelay, true}, {nodelay, false}])),
         ?assertEqual({ok, [{nodelay, true}]}, inet:getopts(Socket, [nodelay])),
         ?assertEqual(ok, inet:setopts(Socket, [{packet, 1}, {packet, 2}, {packet, 4}])),
         ?assertEqual({ok, [{packet, 1}]}, inet:getopts(Socket, [packet])),
         ?assertEqual(ok, inet:setopts(Socket, [{send_timeout, 1}, {buffer, 10},
                                                {send_timeout, 2}, {buffer, 20}])),
         ?assertEqual({ok, [{send_timeout, 1}, {buffer, 10}]},
                      inet:getopts(Socket, [send_timeout, buffer]))
     end || Socket <- [S, L]],
    close([S, L], [Peer]).

%% active false in front of a count leaves the socket passive, behind it the count stays.
setopts_active_from_last_to_first(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    [begin
         ?assertEqual(ok, inet:setopts(S, Opts)),
         ?assertEqual({Opts, {ok, [{active, Active}]}}, {Opts, inet:getopts(S, [active])})
     end || {Opts, Active} <- [{[{active, false}, {active, 10}], false},
                               {[{active, 10}, {active, false}], 10},
                               {[{active, true}, {active, false}], true},
                               {[{active, once}, {active, true}], once},
                               {[{active, false}, {active, true}], false}]],
    %% None of these went through a count of zero.
    close([S], [Peer]),
    ok = mailbox:none().

%% Counts in one list add up.
setopts_counts_add_up(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    ?assertEqual(ok, inet:setopts(S, [{active, 5}, {active, 10}])),
    ?assertEqual({ok, [{active, 15}]}, inet:getopts(S, [active])),
    %% -20 goes below zero first, then 3 counts from there.
    ?assertEqual(ok, inet:setopts(S, [{active, 3}, {active, -20}])),
    ?assertEqual({ok, [{active, 3}]}, inet:getopts(S, [active])),
    receive {tcp_passive, S} -> ok after 1000 -> ct:fail(no_tcp_passive) end,
    close([S], [Peer]),
    ok = mailbox:none().

%% The watermark that is applied last moves the other.
setopts_watermarks_from_last_to_first(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    [begin
         ok = inet:setopts(S, [{high_watermark, 8192}]),
         ok = inet:setopts(S, [{low_watermark, 4096}]),
         ?assertEqual(ok, inet:setopts(S, Opts)),
         ?assertEqual({Opts, {ok, [{low_watermark, Low}, {high_watermark, High}]}},
                      {Opts, inet:getopts(S, [low_watermark, high_watermark])})
     end || {Opts, Low, High} <- [{[{low_watermark, 300}, {high_watermark, 50}], 300, 300},
                                  {[{high_watermark, 50}, {low_watermark, 300}], 50, 50},
                                  {[{low_watermark, 9000}, {high_watermark, 20000}], 9000, 20000},
                                  {[{high_watermark, 20000}, {low_watermark, 9000}], 9000, 20000}]],
    close([S], [Peer]).

%% The atoms list and binary take part in the order like {mode, _}.
setopts_mode_atoms_from_last_to_first(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    [begin
         ?assertEqual(ok, inet:setopts(S, Opts)),
         ?assertEqual({Opts, {ok, [{mode, Mode}]}}, {Opts, inet:getopts(S, [mode])})
     end || {Opts, Mode} <- [{[list, binary], list}, {[binary, list], binary},
                             {[{mode, list}, binary], list}, {[binary, {mode, list}], binary}]],
    close([S], [Peer]).

%% Options that shape the data apply to what an armed list delivers, wherever in the list
%% they are.
setopts_packet_before_active(_) ->
    do_check_packet_with_active([{packet, 2}, {active, once}]).

%% The other way round.
setopts_active_before_packet(_) ->
    do_check_packet_with_active([{active, once}, {packet, 2}]).

do_check_packet_with_active(Opts) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    tcp_pairs:peer_send(Peer, [<<3:16, "abc">>, <<2:16, "de">>]),
    tcp_pairs:arrived(S, 9),
    ?assertEqual(ok, inet:setopts(S, Opts)),
    receive {tcp, S, Data} -> ?assertEqual(<<"abc">>, Data) after 5000 -> ct:fail(no_data) end,
    ?assertEqual({ok, [{active, false}]}, inet:getopts(S, [active])),
    ?assertEqual({ok, <<"de">>}, gen_tcp:recv(S, 0, 5000)),
    close([S], [Peer]).

%% Of two entries in a connect list the last one wins, unlike in setopts.
connect_last_duplicate_wins(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{nodelay, true}, {packet, 1}, {buffer, 50},
                                           {packet, 2}, {nodelay, false}, {buffer, 60}, list, binary]),
    ?assertEqual({ok, [{nodelay, false}, {packet, 2}, {buffer, 60}, {mode, binary}]},
                 inet:getopts(S, [nodelay, packet, buffer, mode])),
    close([S], [Peer]).

%% The same for listen.
listen_last_duplicate_wins(_) ->
    {L, _} = tcp_pairs:listen([{nodelay, true}, {packet, 1}, {buffer, 50},
                               {packet, 2}, {nodelay, false}, {buffer, 60}, binary, list]),
    ?assertEqual({ok, [{nodelay, false}, {packet, 2}, {buffer, 60}, {mode, list}]},
                 inet:getopts(L, [nodelay, packet, buffer, mode])),
    close([L], []).

%% The last active wins too; counts do not add up in a connect or listen list.
connect_last_active_wins(_) ->
    [begin
         {S, Peer} = tcp_pairs:connect_to_peer(Opts),
         {L, _} = tcp_pairs:listen(Opts),
         ?assertEqual({Opts, {ok, [{active, Active}]}, {ok, [{active, Active}]}},
                      {Opts, inet:getopts(S, [active]), inet:getopts(L, [active])}),
         close([S, L], [Peer])
     end || {Opts, Active} <- [{[{active, 5}, {active, 10}], 10},
                               {[{active, true}, {active, false}], false},
                               {[{active, 5}, {active, once}], once},
                               {[{active, once}, {active, 3}], 3}]].

%% raw entries are no duplicates of each other.
connect_keeps_every_raw(_) ->
    %% SOL_SOCKET 1 SO_KEEPALIVE 9, IPPROTO_TCP 6 TCP_NODELAY 1.
    {S, Peer} = tcp_pairs:connect_to_peer([{raw, 1, 9, <<1:32/native>>},
                                           {raw, 6, 1, <<1:32/native>>},
                                           {packet, 2}]),
    ?assertEqual({ok, [{keepalive, true}, {nodelay, true}, {packet, 2}]},
                 inet:getopts(S, [keepalive, nodelay, packet])),
    close([S], [Peer]).

%% What is left of a connect list is applied like one setopts list.
connect_list_is_applied_from_last_to_first(_) ->
    [begin
         {S, Peer} = tcp_pairs:connect_to_peer(Opts),
         {L, _} = tcp_pairs:listen(Opts),
         Got = inet:getopts(S, [low_watermark, high_watermark]),
         ?assertEqual({Opts, {ok, [{low_watermark, Low}, {high_watermark, High}]}}, {Opts, Got}),
         ?assertEqual({Opts, Got}, {Opts, inet:getopts(L, [low_watermark, high_watermark])}),
         close([S, L], [Peer])
     end || {Opts, Low, High} <- [{[{low_watermark, 300}, {high_watermark, 50}], 300, 300},
                                  {[{high_watermark, 50}, {low_watermark, 300}], 50, 50}]].

%%
%% Refused below
%%

%% The kernel refuses an entry: what was applied before it (behind it in the list) stays, what
%% would have come after it is not applied.
refusal_keeps_what_was_applied(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    ?assertEqual({error, einval},
                 inet:setopts(S, [{packet, 4}, {nodelay, true}, {ttl, 0},
                                  {keepalive, true}, {send_timeout, 5}])),
    ?assertEqual({ok, [{packet, 0}, {nodelay, false}, {keepalive, true}, {send_timeout, 5}]},
                 inet:getopts(S, [packet, nodelay, keepalive, send_timeout])),
    close([S], [Peer]).

%% The same for a listener, and for a refusal by the driver.
refusal_on_listener(_) ->
    {L, _} = tcp_pairs:listen(),
    ?assertEqual({error, einval},
                 inet:setopts(L, [{packet, 4}, {high_msgq_watermark, 0}, {keepalive, true}])),
    ?assertEqual({ok, [{packet, 0}, {keepalive, true}]}, inet:getopts(L, [packet, keepalive])),
    close([L], []).

%% The kernel refuses values of these too, but it is not reported.
invisible_refusals(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, 4}]),
    ?assertEqual(ok, inet:setopts(S, [{packet, 0},
                                      {raw, 9999, 1, <<1:32/native>>},     % no such level
                                      {raw, 6, 9999, <<1:32/native>>},     % no such option
                                      {raw, 1, 9, <<1>>},                  % too short
                                      {raw, 1, 3, <<1:32/native>>},        % SO_TYPE is read-only
                                      {send_timeout, 3}])),
    ?assertEqual({ok, [{packet, 0}, {send_timeout, 3}, {keepalive, false}]},
                 inet:getopts(S, [packet, send_timeout, keepalive])),
    tcp_pairs:peer_send(Peer, <<"x">>),
    ?assertEqual({ok, <<"x">>}, gen_tcp:recv(S, 1, 5000)),
    close([S], [Peer]).

%% The kernel's refusal of these is einval, and the socket goes on.
visible_refusals(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    [?assertEqual({Opt, {error, einval}}, {Opt, inet:setopts(S, [Opt])})
     || Opt <- [{ttl, 0}, {ttl, 300}, {tclass, 1}, {recvtclass, true}, {ipv6_v6only, true},
                {bind_to_device, <<"nosuchdevice">>}]],
    tcp_pairs:peer_send(Peer, <<"x">>),
    ?assertEqual({ok, <<"x">>}, gen_tcp:recv(S, 1, 5000)),
    close([S], [Peer]).

%% A connect that was refused an option leaves no connection and no message.
refusal_in_connect_leaves_nothing(_) ->
    Peer = tcp_pairs:peer_listen(),
    Port = tcp_pairs:peer_port(Peer),
    [?assertEqual({Opt, badarg},
                  {Opt, try gen_tcp:connect({127, 0, 0, 1}, Port, [Opt])
                        catch exit:Reason -> Reason
                        end})
     || Opt <- [{ttl, 0}, {high_msgq_watermark, 0}, {tclass, 5}, {packet, foo}, {backlog, 5}]],
    ?assertEqual({error, timeout}, socket:accept(Peer, 0)),
    close([], [Peer]),
    ok = mailbox:none().

%% A listen that was refused an option does not keep its port.
refusal_in_listen_leaves_nothing(_) ->
    {L0, Port} = tcp_pairs:listen([{reuseaddr, true}]),
    close([L0], []),
    ?assertEqual({error, einval}, gen_tcp:listen(Port, [{reuseaddr, true}, {ttl, 0}])),
    ?assertExit(badarg, gen_tcp:listen(Port, [{reuseaddr, true}, {packet, foo}])),
    {ok, L} = gen_tcp:listen(Port, [{ip, {127, 0, 0, 1}}, {reuseaddr, true}]),
    close([L], []),
    ok = mailbox:none().

%%
%% getopts
%%

%% Options come in the order asked, duplicates repeated.
getopts_keeps_the_order(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, 2}, {nodelay, true}]),
    Expected = [{nodelay, true}, {packet, 2}, {active, false}, {nodelay, true}, {buffer, running_otp:buffer()},
                {keepalive, false}, {packet, 2}],
    ?assertEqual({ok, Expected}, inet:getopts(S, [Name || {Name, _} <- Expected])),
    ?assertEqual({ok, lists:reverse(Expected)},
                 inet:getopts(S, [Name || {Name, _} <- lists:reverse(Expected)])),
    close([S], [Peer]).

%% What the kernel cannot supply is left out, the rest keeps its order.
getopts_leaves_out(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    ?assertEqual({ok, [{packet, 0}, {active, false}, {packet, 0}]},
                 inet:getopts(S, [tclass, packet, ipv6_v6only, recvtclass, active, netns,
                                  {raw, 9999, 1, 4}, packet, read_packets])),
    close([S], [Peer]).

%% An unknown name or the {Name, Value} form spoils the whole call.
getopts_all_or_nothing(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    [?assertEqual({Bad, {error, einval}}, {Bad, inet:getopts(S, [packet, Bad, active])})
     || Bad <- [no_such_option, {packet, 0}, {active, true}, line_delimiter, mode_, 17, [packet]]],
    close([S], [Peer]).

%%
%% Inheritance
%%

%% A listener's options can change between two accepts; each socket gets those of its time.
accepted_while_listening_changes(_) ->
    {L, Port} = tcp_pairs:listen([{packet, 1}, {send_timeout, 10}]),
    {S1, Peer1} = do_accept(L, Port),
    ok = inet:setopts(L, [{packet, 2}, {send_timeout, 20}, {nodelay, true}, list]),
    {S2, Peer2} = do_accept(L, Port),
    Names = [packet, send_timeout, nodelay, mode],
    ?assertEqual({ok, [{packet, 1}, {send_timeout, 10}, {nodelay, false}, {mode, binary}]},
                 inet:getopts(S1, Names)),
    ?assertEqual({ok, [{packet, 2}, {send_timeout, 20}, {nodelay, true}, {mode, list}]},
                 inet:getopts(S2, Names)),
    close([S1, S2, L], [Peer1, Peer2]).

%% A change counts for a connection that already waits in the backlog.
accepted_from_backlog_takes_current_values(_) ->
    {L, Port} = tcp_pairs:listen([{packet, 1}]),
    Peer = tcp_pairs:peer_connect(Port),
    ok = inet:setopts(L, [{packet, 2}, {keepalive, true}, {buffer, 77}, {active, 3}]),
    {ok, S} = gen_tcp:accept(L, 5000),
    ?assertEqual({ok, [{packet, 2}, {keepalive, true}, {buffer, 77}, {active, 3}]},
                 inet:getopts(S, [packet, keepalive, buffer, active])),
    close([S, L], [Peer]).

%% A change counts for an acceptor that already waits.
blocked_acceptor_takes_current_values(_) ->
    {L, Port} = tcp_pairs:listen([{packet, 1}]),
    Case = self(),
    {Acceptor, Monitor} =
        spawn_monitor(fun() ->
            {ok, S} = gen_tcp:accept(L, 10000),
            Case ! {self(), inet:getopts(S, [packet, keepalive, buffer, active])}
        end),
    tcp_pairs:eventually(fun() -> do_is_accepting(L) end),
    ok = inet:setopts(L, [{packet, 2}, {keepalive, true}, {buffer, 77}, {active, once}]),
    Peer = tcp_pairs:peer_connect(Port),
    receive
        {Acceptor, Options} ->
            ?assertEqual({ok, [{packet, 2}, {keepalive, true}, {buffer, 77}, {active, once}]},
                         Options);
        {'DOWN', Monitor, process, _, Reason} ->
            ct:fail(Reason)
    end,
    demonitor(Monitor, [flush]),
    close([L], [Peer]).

do_is_accepting(L) ->
    #{states := States} = inet:info(L),
    lists:member(accepting, States).

%% Once accepted, neither end of the inheritance follows the other.
accepted_socket_is_independent(_) ->
    {L, Port} = tcp_pairs:listen([{packet, 1}]),
    {S, Peer} = do_accept(L, Port),
    ok = inet:setopts(L, [{packet, 2}]),
    ?assertEqual({ok, [{packet, 1}]}, inet:getopts(S, [packet])),
    ok = inet:setopts(S, [{packet, 4}]),
    ?assertEqual({ok, [{packet, 2}]}, inet:getopts(L, [packet])),
    close([S, L], [Peer]).

%% Inherited options are in force, not only readable.
inherited_options_take_effect(_) ->
    {S, Peer} = tcp_pairs:accept_from_peer([list, {packet, 2}, {packet_size, 5}, {active, once}]),
    tcp_pairs:peer_send(Peer, <<5:16, "hello", 6:16, "world!">>),
    receive {tcp, S, Data} -> ?assertEqual("hello", Data) after 5000 -> ct:fail(no_data) end,
    ?assertEqual({error, emsgsize}, gen_tcp:recv(S, 0, 5000)),
    close([S], [Peer]).

do_accept(L, Port) ->
    Peer = tcp_pairs:peer_connect(Port),
    {ok, S} = gen_tcp:accept(L, 5000),
    {S, Peer}.

%%
%% Defaults of the node
%%

%% inet_default_connect_options is a list of defaults for connect alone.
connect_defaults_from_environment(_) ->
    application:set_env(kernel, inet_default_connect_options, [{packet, 2}, {nodelay, true}]),
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    {L, _} = tcp_pairs:listen(),
    ?assertEqual({ok, [{packet, 2}, {nodelay, true}]}, inet:getopts(S, [packet, nodelay])),
    ?assertEqual({ok, [{packet, 0}, {nodelay, false}]}, inet:getopts(L, [packet, nodelay])),
    close([S, L], [Peer]).

%% inet_default_listen_options likewise for listen, and accepted sockets inherit it.
listen_defaults_from_environment(_) ->
    application:set_env(kernel, inet_default_listen_options, [{packet, 2}, {nodelay, true}]),
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    {A, Peer2} = tcp_pairs:accept_from_peer([]),
    ?assertEqual({ok, [{packet, 0}, {nodelay, false}]}, inet:getopts(S, [packet, nodelay])),
    ?assertEqual({ok, [{packet, 2}, {nodelay, true}]}, inet:getopts(A, [packet, nodelay])),
    close([S, A], [Peer, Peer2]).

%% A single option need not be in a list.
single_default_from_environment(_) ->
    application:set_env(kernel, inet_default_connect_options, {packet, 2}),
    application:set_env(kernel, inet_default_listen_options, {packet, 4}),
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    {L, _} = tcp_pairs:listen(),
    ?assertEqual({ok, [{packet, 2}]}, inet:getopts(S, [packet])),
    ?assertEqual({ok, [{packet, 4}]}, inet:getopts(L, [packet])),
    close([S, L], [Peer]).

%% An active among the defaults is ignored: sockets start {active, true}.
active_in_environment_is_ignored(_) ->
    Peer = tcp_pairs:peer_listen(),
    [begin
         application:set_env(kernel, inet_default_connect_options, Default),
         application:set_env(kernel, inet_default_listen_options, Default),
         {ok, S} = gen_tcp:connect({127, 0, 0, 1}, tcp_pairs:peer_port(Peer), []),
         {ok, L} = gen_tcp:listen(0, []),
         ?assertEqual({Default, {ok, [{active, true}]}, {ok, [{active, true}]}},
                      {Default, inet:getopts(S, [active]), inet:getopts(L, [active])}),
         close([S, L], [])
     end || Default <- [{active, false}, [{active, false}], [{packet, 2}, {active, once}]]],
    close([], [Peer]).

%% A bad default is exit(badarg) for every connect until it is gone. listen says einval, unlike
%% for a bad option of its own list.
bad_default_in_environment(_) ->
    Peer = tcp_pairs:peer_listen(),
    Port = tcp_pairs:peer_port(Peer),
    application:set_env(kernel, inet_default_connect_options, [{packet, 3}]),
    application:set_env(kernel, inet_default_listen_options, [{packet, 3}]),
    ?assertExit(badarg, gen_tcp:connect({127, 0, 0, 1}, Port, [])),
    ?assertExit(badarg, gen_tcp:connect({127, 0, 0, 1}, Port, [{nodelay, true}])),
    ?assertEqual({error, einval}, gen_tcp:listen(0, [])),
    application:unset_env(kernel, inet_default_connect_options),
    application:unset_env(kernel, inet_default_listen_options),
    {ok, S} = gen_tcp:connect({127, 0, 0, 1}, Port, []),
    {ok, L} = gen_tcp:listen(0, []),
    close([S, L], [Peer]).

%% The user's list wins over the defaults, option by option.
user_wins_over_environment(_) ->
    application:set_env(kernel, inet_default_connect_options,
                        [{packet, 2}, {nodelay, true}, {mode, list}]),
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, 4}]),
    ?assertEqual({ok, [{packet, 4}, {nodelay, true}, {mode, binary}]},
                 inet:getopts(S, [packet, nodelay, mode])),
    close([S], [Peer]).

%%
%% At any time
%%

%% Every driver-level option can change, and change back, on a connection in use.
change_everything_while_connected(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    do_change_everything(S),
    ok = inet:setopts(S, [binary, {packet, 0}, {header, 0}]),
    tcp_pairs:peer_send(Peer, <<"ok">>),
    ?assertEqual({ok, <<"ok">>}, gen_tcp:recv(S, 2, 5000)),
    close([S], [Peer]).

%% The same on a listener.
change_everything_while_listening(_) ->
    {L, Port} = tcp_pairs:listen(),
    do_change_everything(L),
    {S, Peer} = do_accept(L, Port),
    close([S, L], [Peer]).

do_change_everything(Socket) ->
    Changed = [{mode, list}, {packet, 4}, {packet_size, 1000}, {header, 2}, {deliver, port},
               {buffer, 3000}, {exit_on_close, false}, {show_econnreset, true},
               {send_timeout, 5000}, {send_timeout_close, true}, {delay_send, true},
               {high_watermark, 10000}, {low_watermark, 5000}, {high_msgq_watermark, 10000},
               {low_msgq_watermark, 5000}],
    Names = [Name || {Name, _} <- Changed],
    {ok, Before} = inet:getopts(Socket, Names),
    ?assertEqual(ok, inet:setopts(Socket, Changed)),
    ?assertEqual({ok, Changed}, inet:getopts(Socket, Names)),
    %% From last to first: the low watermarks go down before the high ones.
    ?assertEqual(ok, inet:setopts(Socket, Before)),
    ?assertEqual({ok, Before}, inet:getopts(Socket, Names)).

%% On an armed socket a change takes effect with the next packet.
change_while_armed(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{active, true}, {packet, 1}]),
    tcp_pairs:peer_send(Peer, <<2, "ab">>),
    receive {tcp, S, <<"ab">>} -> ok after 5000 -> ct:fail(no_data) end,
    ok = inet:setopts(S, [{mode, list}]),
    tcp_pairs:peer_send(Peer, <<2, "cd">>),
    receive {tcp, S, "cd"} -> ok after 5000 -> ct:fail(no_list) end,
    ok = inet:setopts(S, [{packet, 2}, binary, {header, 1}]),
    tcp_pairs:peer_send(Peer, <<0, 2, "ef">>),
    receive {tcp, S, [$e | <<"f">>]} -> ok after 5000 -> ct:fail(no_header) end,
    close([S], [Peer]),
    ok = mailbox:none().

%% Any process may set options; messages go to the owner.
setopts_by_another_process(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    Case = self(),
    spawn_link(fun() ->
        Case ! {set, inet:setopts(S, [{packet, 2}, {active, once}]),
                inet:getopts(S, [packet, active])}
    end),
    receive
        {set, Set, Get} ->
            ?assertEqual({ok, {ok, [{packet, 2}, {active, once}]}}, {Set, Get})
    after 5000 -> ct:fail(no_answer)
    end,
    tcp_pairs:peer_send(Peer, <<1:16, "x">>),
    receive {tcp, S, <<"x">>} -> ok after 5000 -> ct:fail(no_data) end,
    close([S], [Peer]).

%% A recv that waits does not hold up setopts and getopts, and a packet type set meanwhile
%% applies to what it gets.
setopts_while_recv_waits(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    Case = self(),
    Receiver = spawn_link(fun() -> Case ! {self(), gen_tcp:recv(S, 0, 10000)} end),
    %% A second recv says ealready once the first one waits.
    tcp_pairs:eventually(fun() -> gen_tcp:recv(S, 0, 0) =:= {error, ealready} end),
    ?assertEqual(ok, inet:setopts(S, [{packet, 2}, {nodelay, true}])),
    ?assertEqual({ok, [{packet, 2}, {nodelay, true}]}, inet:getopts(S, [packet, nodelay])),
    tcp_pairs:peer_send(Peer, <<3:16, "abc", 1:16, "d">>),
    receive
        {Receiver, Result} -> ?assertEqual({ok, <<"abc">>}, Result)
    after 5000 -> ct:fail(recv_blocked)
    end,
    ?assertEqual({ok, <<"d">>}, gen_tcp:recv(S, 0, 5000)),
    close([S], [Peer]).

%% setopts and getopts of a closed socket are einval, whatever is in the list.
setopts_after_close(_) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    {L, _} = tcp_pairs:listen(),
    close([S, L], [Peer]),
    [begin
         ?assertEqual({error, einval}, inet:setopts(Socket, [{packet, 2}])),
         ?assertEqual({error, einval}, inet:setopts(Socket, [{packet, foo}])),
         ?assertEqual({error, einval}, inet:getopts(Socket, [packet])),
         ?assertEqual({error, einval}, inet:getopts(Socket, [nodelay]))
     end || Socket <- [S, L]].
