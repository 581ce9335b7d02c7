%% @doc Faults as a program and its peer see them. Only gentcp has them; the other end is a
%% socket of the stock `socket' module wherever it matters what arrives.
-module(fault_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, groups/0, init_per_suite/1, end_per_suite/1, init_per_group/2, end_per_group/2,
         init_per_testcase/2, end_per_testcase/2]).

%% Terms.
-export([rules_are_listed/1, bad_faults/1, bad_selectors/1, bad_options/1, option_is_read_back/1,
         profiles_of_the_user/1]).

%% Calls.
-export([connect_errors/1, connect_never/1, connect_delay/1, listen_error/1, accept_error/1,
         accept_never/1, send_error/1, recv_error/1, recv_never/1, never_ends_with_close/1,
         close_delay/1]).

%% The stream.
-export([slice_in/1, slice_out/1, slice_and_packets/1, latency_delays/1, bandwidth_limits/1,
         stall_pauses/1, blackhole_takes_and_gives_back/1, corrupt_alters_every_octet/1,
         cut_fin/1, cut_rst/1, cut_silent/1, cut_in/1, cut_in_time/1, nothing_is_lost/1]).

%% When.
-export([nth_call/1, nth_connection/1, once_and_after/1, for_a_time/1, probability_bounds/1]).

%% Rules.
-export([removal_passes_on/1, with_clears/1, with_clears_after_a_kill/1, rules_survive_the_server/1,
         rules_survive_the_program/1, selectors/1, listener_of_another_process/1,
         ancestors_apart/1, ancestors_of_tasks/1, sockets_that_exist/1, new_owner/1, owners_in_between/1,
         option_is_inherited/1]).

%% Chance.
-export([same_seed_same_slices/1, log_tells/1]).

%% What is above gen_tcp.
-export([ssl_over_faults/1, http_over_faults/1, ssh_over_faults/1, local_sockets/1]).

%% Shards.
-export([every_shard/1]).

-define(LOOPBACK, {127, 0, 0, 1}).

all() ->
    [{group, one}, {group, shards}].

groups() ->
    [{one, [],
      [rules_are_listed, bad_faults, bad_selectors, bad_options, option_is_read_back,
       profiles_of_the_user,
       connect_errors, connect_never, connect_delay, listen_error, accept_error, accept_never,
       send_error, recv_error, recv_never, never_ends_with_close, close_delay,
       slice_in, slice_out, slice_and_packets, latency_delays, bandwidth_limits, stall_pauses,
       blackhole_takes_and_gives_back, corrupt_alters_every_octet,
       cut_fin, cut_rst, cut_silent, cut_in, cut_in_time, nothing_is_lost,
       nth_call, nth_connection, once_and_after, for_a_time, probability_bounds,
       removal_passes_on, with_clears, with_clears_after_a_kill, rules_survive_the_server,
       rules_survive_the_program, selectors, listener_of_another_process,
       ancestors_apart, ancestors_of_tasks, sockets_that_exist, new_owner, owners_in_between, option_is_inherited,
       same_seed_same_slices, log_tells,
       ssl_over_faults, http_over_faults, ssh_over_faults, local_sockets]},
     {shards, [], [every_shard, rules_survive_the_program, ancestors_apart, log_tells]}].

init_per_suite(Config) ->
    Config.

end_per_suite(_Config) ->
    ok.

init_per_group(Group, Config) ->
    %% Whatever other suites have left.
    _ = application:stop(gentcp),
    _ = application:load(gentcp),
    ok = application:set_env(gentcp, shards, case Group of one -> 1; shards -> 2 end),
    {ok, _} = application:ensure_all_started(gentcp),
    ok = gentcp:install(),
    Config.

end_per_group(_Group, _Config) ->
    ok = gentcp:uninstall(),
    ok = application:stop(gentcp),
    ok = application:unload(gentcp).

init_per_testcase(_Case, Config) ->
    ok = gentcp_fault:clear(),
    ok = gentcp_fault:clear_log(),
    Config.

%% No case leaves a rule behind.
end_per_testcase(_Case, _Config) ->
    Left = gentcp_fault:list(),
    ok = gentcp_fault:clear(),
    case Left of
        [] -> ok;
        _ -> {fail, {rules_left, Left}}
    end.

%%
%% Terms
%%

rules_are_listed(_Config) ->
    [] = gentcp_fault:list(),
    {ok, A} = gentcp_fault:add(all, byte_by_byte),
    {ok, B} = gentcp_fault:add({ancestor, self()}, [{in, {latency, 5}}, {once, blackhole}]),
    [{A, all, byte_by_byte}, {B, {ancestor, Me}, [{in, {latency, 5}}, {once, blackhole}]}] =
        gentcp_fault:list(),
    Me = self(),
    ok = gentcp_fault:remove(A),
    {error, enoent} = gentcp_fault:remove(A),
    [{B, _, _}] = gentcp_fault:list(),
    ok = gentcp_fault:clear(),
    [] = gentcp_fault:list().

%% The answer names the part that is wrong, and nothing is in force.
bad_faults(_Config) ->
    [?assertMatch({Faults, {error, {bad_fault, Which, _}}}, {Faults, gentcp_fault:add(all, Faults)})
     || {Faults, Which} <- [{nonsense, nonsense},
                            {{latency, -1}, {latency, -1}},
                            {{slice, 0}, {slice, 0}},
                            {[{latency, 1}, {slice, 3, 2}], {slice, 3, 2}},
                            {{dance, {error, enoent}}, {dance, {error, enoent}}},
                            {{once, {bandwidth, 0}}, {bandwidth, 0}},
                            {{probability, 2, blackhole}, {probability, 2, blackhole}},
                            {{profile, nobody}, {profile, nobody}}]],
    ?assertMatch({error, {bad_fault, _, _}}, gentcp_fault:add(all, {connect, {error, no_errno}})),
    ?assertMatch({error, {bad_fault, _, _}}, gentcp_fault:add(all, {cut, {bytes, -1}, rst})),
    ?assertMatch({error, {bad_fault, _, _}}, gentcp_fault:add(all, [{latency, 1} | slice])),
    ?assertMatch({error, {bad_fault, _, _}},
                 gentcp_fault:add(all, lists:foldl(fun(_, F) -> {once, F} end, blackhole,
                                                   lists:seq(1, 5000)))),
    [] = gentcp_fault:list(),
    ?assertError({bad_fault, nonsense, _}, gentcp_fault:with(all, nonsense, fun() -> ok end)),
    {L, _} = tcp_pairs:listen(),
    ok = gen_tcp:close(L).

bad_selectors(_Config) ->
    {ok, Stock} = gen_udp:open(0),
    [?assertMatch({Selector, {error, {bad_fault, Which, _}}},
                  {Selector, gentcp_fault:add(Selector, blackhole)})
     || {Selector, Which} <- [{everything, everything},
                              {Stock, Stock},
                              {{owner, me}, {owner, me}},
                              {{peer, {{127, 0, 0, 1}, 33}}, {{127, 0, 0, 1}, 33}},
                              {{peer, "localhost"}, {peer, "localhost"}},
                              {{peer, {port, 70000}}, {port, 70000}},
                              {{all_of, [all, {direction, up}]}, {direction, up}},
                              {{any_of, all}, {any_of, all}},
                              {{nth, 0, all}, {nth, 0, all}}]],
    ok = gen_udp:close(Stock),
    [] = gentcp_fault:list().

bad_options(_Config) ->
    Bad = [{gentcp_fault, {slice, 0}}],
    {error, {bad_fault, {slice, 0}, _}} = gen_tcp:listen(0, Bad),
    {L, Port} = tcp_pairs:listen(),
    {error, {bad_fault, {slice, 0}, _}} = gen_tcp:connect(?LOOPBACK, Port, Bad),
    {error, {bad_fault, {slice, 0}, _}} = gen_tcp:connect("localhost", Port, Bad),
    {error, {bad_fault, {slice, 0}, _}} = inet:setopts(L, [{active, false} | Bad]),
    {ok, [{gentcp_fault, []}]} = inet:getopts(L, [gentcp_fault]),
    ok = gen_tcp:close(L).

option_is_read_back(_Config) ->
    {C, S} = tcp_pairs:pair([], [{gentcp_fault, [{latency, 0}, {once, {recv, never}}]}]),
    {ok, [{gentcp_fault, [{latency, 0}, {once, {recv, never}}]}]} = inet:getopts(C, [gentcp_fault]),
    ok = inet:setopts(C, [{gentcp_fault, byte_by_byte}]),
    {ok, [{gentcp_fault, [{slice, 1}]}]} = inet:getopts(C, [gentcp_fault]),
    ok = inet:setopts(C, [{gentcp_fault, []}]),
    {ok, [{gentcp_fault, []}]} = inet:getopts(C, [gentcp_fault]),
    do_close([C, S]).

profiles_of_the_user(_Config) ->
    Mine = [{down, {connect, {error, enetdown}}}, {worse, [down, {slice, 1}]}, {refused, down},
            {ring, {once, ring}}],
    ok = application:set_env(gentcp, profiles, Mine),
    try
        [?assert(lists:member(Name, gentcp_fault:profiles())) || Name <- [down, worse, slow_3g]],
        {ok, {connect, {error, enetdown}}} = gentcp_fault:profile(refused_or(refused)),
        error = gentcp_fault:profile(nobody),
        [gentcp_fault:with(all, Faults, fun() ->
             {error, enetdown} = gen_tcp:connect(?LOOPBACK, 1, [])
         end) || Faults <- [down, {profile, down}, [worse], {once, [worse]}]],
        {error, {bad_fault, {profile, ring}, _}} = gentcp_fault:add(all, ring)
    after
        ok = application:unset_env(gentcp, profiles)
    end,
    %% All that is built in is valid.
    [gentcp_fault:with({any_of, []}, Name, fun() -> ok end) || Name <- gentcp_fault:profiles()].

%% A profile of the user goes before one that is built in.
refused_or(Name) ->
    case gentcp_fault:profile(Name) of
        {ok, down} -> down
    end.

%%
%% Calls
%%

connect_errors(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    [gentcp_fault:with({peer, {port, Port}}, {connect, {error, Errno}}, fun() ->
         {error, Errno} = gen_tcp:connect(?LOOPBACK, Port, [])
     end) || Errno <- [econnrefused, etimedout, ehostunreach, enetunreach, emfile, eaddrnotavail,
                       eperm, eacces]],
    {error, timeout} = gen_tcp:accept(L, 0),
    {ok, C} = gen_tcp:connect(?LOOPBACK, Port, []),
    {ok, S} = gen_tcp:accept(L, 5000),
    do_close([C, S, L]).

connect_never(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    gentcp_fault:with({peer, {port, Port}}, {connect, never}, fun() ->
        {error, timeout} = gen_tcp:connect(?LOOPBACK, Port, [], 50),
        {error, timeout} = gen_tcp:accept(L, 0)
    end),
    ok = gen_tcp:close(L).

connect_delay(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    gentcp_fault:with({peer, {port, Port}}, [{connect, {delay, 60}}, {connect, {delay, 60}}], fun() ->
        {Ms, {ok, C}} = do_time(fun() -> gen_tcp:connect(?LOOPBACK, Port, [], 10_000) end),
        ?assert(Ms >= 120),
        {error, timeout} = gen_tcp:connect(?LOOPBACK, Port, [], 20),
        ok = gen_tcp:close(C)
    end),
    ok = gen_tcp:close(L).

listen_error(_Config) ->
    gentcp_fault:with({ancestor, self()}, {listen, {error, eaddrinuse}}, fun() ->
        {error, eaddrinuse} = gen_tcp:listen(0, [])
    end),
    {L, _} = tcp_pairs:listen(),
    ok = gen_tcp:close(L).

%% The connection stays where it is.
accept_error(_Config) ->
    {L, Port} = tcp_pairs:listen([{gentcp_fault, {once, {accept, {error, emfile}}}}]),
    Peer = tcp_pairs:peer_connect(Port),
    {error, emfile} = gen_tcp:accept(L, 5000),
    {ok, S} = gen_tcp:accept(L, 5000),
    tcp_pairs:peer_send(Peer, "x"),
    {ok, <<"x">>} = gen_tcp:recv(S, 0, 5000),
    do_close([S, L]),
    tcp_pairs:peer_close(Peer).

accept_never(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    Peer = tcp_pairs:peer_connect(Port),
    gentcp_fault:with(L, {accept, never}, fun() ->
        {error, timeout} = gen_tcp:accept(L, 50),
        {error, timeout} = gen_tcp:accept(L, 0)
    end),
    {ok, S} = gen_tcp:accept(L, 5000),
    do_close([S, L]),
    tcp_pairs:peer_close(Peer).

%% What fails is not sent, what follows is.
send_error(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    ok = gen_tcp:send(S, "one"),
    gentcp_fault:with(S, {send, {error, econnreset}}, fun() ->
        {error, econnreset} = gen_tcp:send(S, "two"),
        {error, econnreset} = gen_tcp:send(S, binary:copy(<<"x">>, 300_000))
    end),
    ok = gen_tcp:send(S, "three"),
    ok = gen_tcp:close(S),
    {<<"onethree">>, closed} = tcp_pairs:peer_recv_all(Peer).

recv_error(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, 1}]),
    tcp_pairs:peer_send(Peer, [1, "a", 1, "b", 1, "c"]),
    {ok, <<"a">>} = gen_tcp:recv(S, 0, 5000),
    gentcp_fault:with(S, {recv, {error, etimedout}}, fun() ->
        {error, etimedout} = gen_tcp:recv(S, 0, 5000),
        {error, etimedout} = gen_tcp:recv(S, 0)
    end),
    {ok, <<"b">>} = gen_tcp:recv(S, 0, 5000),
    {ok, <<"c">>} = gen_tcp:recv(S, 0, 5000),
    do_close([S]),
    tcp_pairs:peer_close(Peer).

recv_never(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    tcp_pairs:peer_send(Peer, "here"),
    gentcp_fault:with(S, {recv, never}, fun() ->
        {error, timeout} = gen_tcp:recv(S, 0, 50)
    end),
    {ok, <<"here">>} = gen_tcp:recv(S, 0, 5000),
    do_close([S]),
    tcp_pairs:peer_close(Peer).

never_ends_with_close(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{gentcp_fault, {recv, never}}]),
    {Pid, Monitor} = spawn_monitor(fun() -> exit({got, gen_tcp:recv(S, 0)}) end),
    tcp_pairs:at_rest(Pid),
    ok = gen_tcp:close(S),
    receive {'DOWN', Monitor, process, Pid, {got, {error, closed}}} -> ok after 5000 -> error(late) end,
    tcp_pairs:peer_close(Peer).

close_delay(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{gentcp_fault, {close, {delay, 80}}}]),
    ok = gen_tcp:send(S, "bye"),
    {Ms, ok} = do_time(fun() -> gen_tcp:close(S) end),
    ?assert(Ms >= 80),
    {<<"bye">>, closed} = tcp_pairs:peer_recv_all(Peer).

%%
%% The stream
%%

slice_in(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{gentcp_fault, {in, {slice, 1}}}]),
    tcp_pairs:peer_send(Peer, "abc"),
    [{ok, <<"a">>}, {ok, <<"b">>}, {ok, <<"c">>}] =
        [gen_tcp:recv(S, 0, 5000) || _ <- lists:seq(1, 3)],
    ok = inet:setopts(S, [{active, true}]),
    tcp_pairs:peer_send(Peer, "xyz"),
    [receive {tcp, S, Octet} -> ok after 5000 -> error({missing, Octet}) end
     || Octet <- [<<"x">>, <<"y">>, <<"z">>]],
    %% A length that was asked for is still one.
    ok = inet:setopts(S, [{active, false}]),
    tcp_pairs:peer_send(Peer, "whole"),
    {ok, <<"whole">>} = gen_tcp:recv(S, 5, 5000),
    do_close([S]),
    tcp_pairs:peer_close(Peer).

slice_out(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{gentcp_fault, {out, {slice, 1, 7}}}]),
    Data = do_data(20_000),
    ok = gen_tcp:send(S, Data),
    ok = gen_tcp:close(S),
    {Data, closed} = tcp_pairs:peer_recv_all(Peer).

slice_and_packets(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{packet, 4}, {gentcp_fault, byte_by_byte}]),
    Data = do_data(1000),
    tcp_pairs:peer_send(Peer, [<<1000:32>>, Data, <<0:32>>, <<1:32>>, "x"]),
    [{ok, Data}, {ok, <<>>}, {ok, <<"x">>}] = [gen_tcp:recv(S, 0, 5000) || _ <- lists:seq(1, 3)],
    ok = gen_tcp:send(S, Data),
    <<1000:32, Data/binary>> = tcp_pairs:peer_recv(Peer, 1004),
    do_close([S]),
    tcp_pairs:peer_close(Peer).

latency_delays(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{gentcp_fault, {latency, 60}}]),
    {In, _} = do_time(fun() ->
        tcp_pairs:peer_send(Peer, "a"),
        {ok, <<"a">>} = gen_tcp:recv(S, 0, 5000)
    end),
    ?assert(In >= 60),
    {Out, _} = do_time(fun() ->
        ok = gen_tcp:send(S, "b"),
        <<"b">> = tcp_pairs:peer_recv(Peer, 1)
    end),
    ?assert(Out >= 60),
    %% Jitter does not change the order.
    ok = inet:setopts(S, [{gentcp_fault, {latency, 5, 5}}]),
    [ok = gen_tcp:send(S, <<N:16>>) || N <- lists:seq(1, 200)],
    Expected = << <<N:16>> || N <- lists:seq(1, 200) >>,
    Expected = tcp_pairs:peer_recv(Peer, 400),
    do_close([S]),
    tcp_pairs:peer_close(Peer).

bandwidth_limits(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{gentcp_fault, {out, {bandwidth, 100_000}}}]),
    Data = do_data(30_000),
    {Ms, Data} = do_time(fun() ->
        ok = gen_tcp:send(S, Data),
        tcp_pairs:peer_recv(Peer, 30_000)
    end),
    %% 300 ms, less what may go at once.
    ?assert(Ms >= 180),
    do_close([S]),
    tcp_pairs:peer_close(Peer).

stall_pauses(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{gentcp_fault, {in, {stall, 60, 10}}}]),
    {Ms, _} = do_time(fun() ->
        tcp_pairs:peer_send(Peer, do_data(35)),
        {ok, _} = gen_tcp:recv(S, 35, 5000)
    end),
    ?assert(Ms >= 180),
    do_close([S]),
    tcp_pairs:peer_close(Peer).

%% What was taken comes when the fault goes, in order, and so does the end.
blackhole_takes_and_gives_back(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    gentcp_fault:with(S, blackhole, fun() ->
        ok = gen_tcp:send(S, "out"),
        tcp_pairs:peer_send(Peer, "in"),
        tcp_pairs:peer_shutdown(Peer, write),
        {error, timeout} = gen_tcp:recv(S, 0, 100),
        {error, timeout} = socket:recv(Peer, 1, 0)
    end),
    {ok, <<"in">>} = gen_tcp:recv(S, 2, 5000),
    {error, closed} = gen_tcp:recv(S, 0, 5000),
    <<"out">> = tcp_pairs:peer_recv(Peer, 3),
    do_close([S]),
    tcp_pairs:peer_close(Peer).

corrupt_alters_every_octet(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{gentcp_fault, {out, {corrupt, 1.0}}}]),
    Data = do_data(1000),
    ok = gen_tcp:send(S, Data),
    Got = tcp_pairs:peer_recv(Peer, 1000),
    [] = [Same || {Same, Same} <- lists:zip(binary_to_list(Data), binary_to_list(Got))],
    do_close([S]),
    tcp_pairs:peer_close(Peer).

cut_fin(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{gentcp_fault, {out, {cut, {bytes, 7}, fin}}}]),
    ok = gen_tcp:send(S, "hello world"),
    {<<"hello w">>, closed} = tcp_pairs:peer_recv_all(Peer),
    {error, closed} = gen_tcp:recv(S, 0, 5000),
    do_close([S]).

cut_rst(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{active, true}, {show_econnreset, true},
                                           {gentcp_fault, {out, {cut, {bytes, 7}, rst}}}]),
    ok = gen_tcp:send(S, "hello world"),
    receive {tcp_error, S, econnreset} -> ok after 5000 -> error(no_error) end,
    receive {tcp_closed, S} -> ok after 5000 -> error(no_end) end,
    {error, econnreset} = do_end_of(Peer),
    do_close([S]).

cut_silent(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{gentcp_fault, {out, {cut, {bytes, 7}, silent}}}]),
    ok = gen_tcp:send(S, "hello world"),
    <<"hello w">> = tcp_pairs:peer_recv(Peer, 7),
    tcp_pairs:peer_send(Peer, "anybody?"),
    {error, timeout} = gen_tcp:recv(S, 0, 100),
    {error, timeout} = socket:recv(Peer, 1, 0),
    %% The peer is back.
    ok = inet:setopts(S, [{gentcp_fault, []}]),
    <<"orld">> = tcp_pairs:peer_recv(Peer, 4),
    {ok, <<"anybody?">>} = gen_tcp:recv(S, 8, 5000),
    do_close([S]),
    tcp_pairs:peer_close(Peer).

cut_in(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{gentcp_fault, {in, {cut, {bytes, 3}, fin}}}]),
    tcp_pairs:peer_send(Peer, "hello"),
    {ok, <<"hel">>} = gen_tcp:recv(S, 3, 5000),
    {error, closed} = gen_tcp:recv(S, 0, 5000),
    do_close([S]),
    tcp_pairs:peer_close(Peer).

cut_in_time(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{gentcp_fault, {cut, {ms, 80}, fin}}]),
    tcp_pairs:peer_send(Peer, "x"),
    {ok, <<"x">>} = gen_tcp:recv(S, 0, 5000),
    {error, closed} = gen_tcp:recv(S, 0, 5000),
    {<<>>, closed} = tcp_pairs:peer_recv_all(Peer),
    do_close([S]).

%% Whatever is set and taken away on the way.
nothing_is_lost(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    Data = do_data(200_000),
    Changes = [[{latency, 3, 3}], [{slice, 1, 50}], [], [{bandwidth, 2_000_000}, {latency, 1}],
               [{stall, 5, 10_000}], byte_by_byte, [blackhole], []],
    Self = self(),
    Sender = spawn_link(fun() ->
        ok = gen_tcp:send(S, Data),
        Self ! {self(), sent}
    end),
    Changer = spawn_link(fun() ->
        [ok = inet:setopts(S, [{gentcp_fault, Faults}]) || Faults <- Changes],
        Self ! {self(), done}
    end),
    Data = tcp_pairs:peer_recv(Peer, byte_size(Data)),
    [receive {Pid, _} -> ok end || Pid <- [Sender, Changer]],
    do_close([S]),
    tcp_pairs:peer_close(Peer).

%%
%% When
%%

nth_call(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    gentcp_fault:with({peer, {port, Port}}, {nth, 2, {connect, {error, econnrefused}}}, fun() ->
        Connect = fun() -> gen_tcp:connect(?LOOPBACK, Port, []) end,
        {ok, A} = Connect(),
        {error, econnrefused} = Connect(),
        {ok, B} = Connect(),
        do_close([A, B])
    end),
    do_close([L]).

%% Of a listener: the second that it accepts.
nth_connection(_Config) ->
    {L, Port} = tcp_pairs:listen([{gentcp_fault, {nth, 2, {out, {cut, {bytes, 1}, fin}}}}]),
    Got = [begin
               Peer = tcp_pairs:peer_connect(Port),
               {ok, S} = gen_tcp:accept(L, 5000),
               ok = gen_tcp:send(S, "hello"),
               ok = gen_tcp:close(S),
               tcp_pairs:peer_recv_all(Peer)
           end || _ <- lists:seq(1, 3)],
    [{<<"hello">>, closed}, {<<"h">>, closed}, {<<"hello">>, closed}] = Got,
    do_close([L]).

once_and_after(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    tcp_pairs:peer_send(Peer, "abcdef"),
    ok = inet:setopts(S, [{gentcp_fault, {once, {recv, {error, eio}}}}]),
    {error, eio} = gen_tcp:recv(S, 1, 5000),
    {ok, <<"a">>} = gen_tcp:recv(S, 1, 5000),
    ok = inet:setopts(S, [{gentcp_fault, {'after', {calls, 1}, {recv, {error, eio}}}}]),
    {ok, <<"b">>} = gen_tcp:recv(S, 1, 5000),
    {error, eio} = gen_tcp:recv(S, 1, 5000),
    {error, eio} = gen_tcp:recv(S, 1, 5000),
    ok = inet:setopts(S, [{gentcp_fault, {'after', {calls, 1}, {once, {recv, {error, eio}}}}}]),
    {ok, <<"c">>} = gen_tcp:recv(S, 1, 5000),
    {error, eio} = gen_tcp:recv(S, 1, 5000),
    {ok, <<"d">>} = gen_tcp:recv(S, 1, 5000),
    do_close([S]),
    tcp_pairs:peer_close(Peer).

for_a_time(_Config) ->
    gentcp_fault:with({ancestor, self()}, {for, 100, {connect, {error, enetdown}}}, fun() ->
        {L, Port} = tcp_pairs:listen(),
        {Ms, {ok, C}} = do_time(fun() -> do_until_connected(Port) end),
        %% The rule was there a little earlier than the clock was looked at.
        ?assert(Ms >= 0),
        do_close([C, L])
    end),
    gentcp_fault:with({ancestor, self()}, {for, 600_000, {connect, {error, enetdown}}}, fun() ->
        {error, enetdown} = gen_tcp:connect(?LOOPBACK, 1, [])
    end).

do_until_connected(Port) ->
    case gen_tcp:connect(?LOOPBACK, Port, []) of
        {error, enetdown} -> do_until_connected(Port);
        {ok, _} = Connected -> Connected
    end.

probability_bounds(_Config) ->
    {L, Port} = tcp_pairs:listen([{backlog, 128}]),
    Try = fun() ->
        case gen_tcp:connect(?LOOPBACK, Port, []) of
            {ok, C} -> ok = gen_tcp:close(C), 0;
            {error, enetdown} -> 1
        end
    end,
    Count = fun(P) ->
        gentcp_fault:with({peer, {port, Port}}, {probability, P, {connect, {error, enetdown}}},
                          fun() -> lists:sum([Try() || _ <- lists:seq(1, 60)]) end)
    end,
    0 = Count(0),
    60 = Count(1),
    ok = gentcp_fault:seed(4711),
    Half = Count(0.5),
    %% Sixty coins that fall on one side come once in 10^17 seeds, and this is one seed.
    ?assert(Half > 0 andalso Half < 60),
    do_close([L]).

%%
%% Rules
%%

removal_passes_on(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([]),
    {ok, Rule} = gentcp_fault:add(S, {latency, 600_000}),
    [ok = gen_tcp:send(S, <<N>>) || N <- lists:seq(1, 50)],
    ok = gentcp_fault:remove(Rule),
    ok = gen_tcp:send(S, <<51>>),
    Expected = list_to_binary(lists:seq(1, 51)),
    Expected = tcp_pairs:peer_recv(Peer, 51),
    do_close([S]),
    tcp_pairs:peer_close(Peer).

with_clears(_Config) ->
    {error, enetdown} = gentcp_fault:with({ancestor, self()}, {connect, {error, enetdown}}, fun() ->
        [_] = gentcp_fault:list(),
        gen_tcp:connect(?LOOPBACK, 1, [])
    end),
    [] = gentcp_fault:list(),
    [?assertException(Class, oh_no, gentcp_fault:with(all, blackhole, fun() ->
         erlang:raise(Class, oh_no, [])
     end)) || Class <- [error, exit, throw]],
    [] = gentcp_fault:list(),
    {error, econnrefused} = gen_tcp:connect(?LOOPBACK, 1, []).

with_clears_after_a_kill(_Config) ->
    Self = self(),
    Pid = spawn(fun() ->
        gentcp_fault:with({peer, {port, 1}}, {connect, {error, enetdown}}, fun() ->
            Self ! {self(), within},
            receive for_ever -> ok end
        end)
    end),
    receive {Pid, within} -> ok end,
    {error, enetdown} = gen_tcp:connect(?LOOPBACK, 1, []),
    exit(Pid, kill),
    tcp_pairs:eventually(fun() -> gentcp_fault:list() =:= [] end),
    {error, econnrefused} = gen_tcp:connect(?LOOPBACK, 1, []).

%% The process that keeps the rules is started again, and knows who holds which.
rules_survive_the_server(_Config) ->
    Self = self(),
    Pid = spawn(fun() ->
        gentcp_fault:with({peer, {port, 1}}, {connect, {error, enetdown}}, fun() ->
            Self ! {self(), within},
            receive for_ever -> ok end
        end)
    end),
    receive {Pid, within} -> ok end,
    {ok, Rule} = gentcp_fault:add({peer, {port, 2}}, {connect, {error, enetdown}}),
    Server = whereis(gentcp_fault_server),
    exit(Server, kill),
    tcp_pairs:eventually(fun() ->
        case whereis(gentcp_fault_server) of undefined -> false; P -> P =/= Server end
    end),
    {error, enetdown} = gen_tcp:connect(?LOOPBACK, 1, []),
    {ok, Next} = gentcp_fault:add({peer, {port, 3}}, blackhole),
    ?assert(Next > Rule),
    exit(Pid, kill),
    tcp_pairs:eventually(fun() -> length(gentcp_fault:list()) =:= 2 end),
    {error, econnrefused} = gen_tcp:connect(?LOOPBACK, 1, []),
    {error, enetdown} = gen_tcp:connect(?LOOPBACK, 2, []),
    ok = gentcp_fault:clear().

rules_survive_the_program(_Config) ->
    ok = gentcp_fault:seed(17),
    {ok, Rule} = gentcp_fault:add({all_of, [{ancestor, self()}, {peer, {port, 1}}]},
                                  {connect, {error, enetdown}}),
    {error, enetdown} = gen_tcp:connect(?LOOPBACK, 1, []),
    Before = [OsPid || #{os_pid := OsPid} <- gentcp:port_info(all)],
    [os:cmd("kill -KILL " ++ integer_to_list(OsPid)) || OsPid <- Before],
    %% One that was young is started again by the next who needs it.
    tcp_pairs:eventually(fun() ->
        {error, _} = gen_tcp:connect(?LOOPBACK, 1, []),
        Now = [OsPid || #{os_pid := OsPid} <- gentcp:port_info(all)],
        length(Now) =:= length(Before) andalso Before -- Now =:= Before
    end),
    [{error, enetdown} = gen_tcp:connect(?LOOPBACK, 1, []) || _ <- lists:seq(1, 4)],
    17 = gentcp_fault:seed(),
    ok = gentcp_fault:remove(Rule),
    [{error, econnrefused} = gen_tcp:connect(?LOOPBACK, 1, []) || _ <- lists:seq(1, 4)].

%% Each selector, and its opposite.
selectors(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    {ok, C} = gen_tcp:connect(?LOOPBACK, Port, [binary, {active, false}]),
    {ok, S} = gen_tcp:accept(L, 5000),
    {ok, {_, OwnPort}} = inet:sockname(C),
    Mark = {recv, {error, eio}},
    Is = fun(Selector, Socket) ->
        gentcp_fault:with(Selector, Mark, fun() ->
            case gen_tcp:recv(Socket, 0, 0) of
                {error, eio} -> true;
                {error, timeout} -> false
            end
        end)
    end,
    Other = spawn(fun() -> receive stop -> ok end end),
    [?assertEqual({Selector, {true, false}}, {Selector, {Is(Selector, C), Is({none_of, [Selector]}, C)}})
     || Selector <- [all, C, {socket, C}, {owner, self()}, {ancestor, self()},
                     {peer, ?LOOPBACK}, {peer, {{127, 0, 0, 0}, 8}}, {peer, {port, Port}},
                     {peer, {?LOOPBACK, {port, Port}}}, {peer, {{{127, 0, 0, 0}, 8}, {port, Port}}},
                     {peer, {{0, 0, 0, 0}, 0}}, {local, {port, OwnPort}}, {local, ?LOOPBACK},
                     {direction, out}, {family, inet},
                     {all_of, []}, {all_of, [all, {direction, out}]},
                     {any_of, [{direction, in}, C]}, {none_of, [{direction, in}]}]],
    [?assertEqual({Selector, {false, true}}, {Selector, {Is(Selector, C), Is({none_of, [Selector]}, C)}})
     || Selector <- [S, L, {listener, L}, {owner, Other}, {ancestor, Other}, {peer, {127, 0, 0, 2}},
                     {peer, {{127, 0, 0, 2}, 32}}, {peer, {port, OwnPort}},
                     {peer, {?LOOPBACK, {port, OwnPort}}}, {local, {port, Port}},
                     {direction, in}, {family, inet6}, {family, local}, {any_of, []},
                     {all_of, [all, {direction, in}]}]],
    true = Is({listener, L}, S),
    true = Is({direction, in}, S),
    Other ! stop,
    do_close([C, S, L]).

listener_of_another_process(_Config) ->
    Self = self(),
    Server = spawn_link(fun() ->
        {L, Port} = tcp_pairs:listen(),
        Self ! {self(), L, Port},
        {ok, S} = gen_tcp:accept(L),
        ok = gen_tcp:send(S, "hello"),
        receive stop -> ok end
    end),
    receive {Server, L, Port} -> ok end,
    gentcp_fault:with({listener, L}, {out, {cut, {bytes, 2}, fin}}, fun() ->
        Peer = tcp_pairs:peer_connect(Port),
        {<<"he">>, closed} = tcp_pairs:peer_recv_all(Peer)
    end),
    Server ! stop.

%% Two that run side by side, each under faults of its own, and one that is under none.
ancestors_apart(_Config) ->
    Run = fun(Faults, Expected) ->
        tcp_pairs:by_another(fun() ->
            gentcp_fault:with({ancestor, self()}, Faults, fun() ->
                [{_, Expected} = {Faults, gen_tcp:connect(?LOOPBACK, 1, [])} || _ <- lists:seq(1, 30)],
                %% Descendants by spawn and by proc_lib.
                Expected = tcp_pairs:by_another(fun() -> gen_tcp:connect(?LOOPBACK, 1, []) end),
                Me = self(),
                _ = proc_lib:spawn_link(fun() -> Me ! {result, gen_tcp:connect(?LOOPBACK, 1, [])} end),
                receive {result, Expected} -> ok end,
                fine
            end)
        end)
    end,
    Self = self(),
    Runs = [{{connect, {error, enetdown}}, {error, enetdown}},
            {{connect, {error, eperm}}, {error, eperm}},
            {[], {error, econnrefused}}],
    Pids = [spawn_link(fun() -> Self ! {self(), Run(Faults, Expected)} end)
            || {Faults, Expected} <- Runs],
    [receive {Pid, Result} -> fine = Result end || Pid <- Pids],
    {error, econnrefused} = gen_tcp:connect(?LOOPBACK, 1, []).

%% A process that works for another one, as Elixir's tasks say it.
ancestors_of_tasks(_Config) ->
    Self = self(),
    Worker = spawn(fun() -> receive {work_for, Pid} ->
        put('$callers', [Pid]),
        Self ! {self(), gen_tcp:connect(?LOOPBACK, 1, [])}
    end end),
    Client = spawn_link(fun() -> receive stop -> ok end end),
    gentcp_fault:with({all_of, [{ancestor, Client}, {none_of, [{owner, Client}]}]},
                      {connect, {error, enetdown}}, fun() ->
        Worker ! {work_for, Client},
        receive {Worker, {error, enetdown}} -> ok after 5000 -> error(late) end
    end),
    Client ! stop.

%% A rule about owners finds the sockets that were there before anybody asked for owners.
sockets_that_exist(_Config) ->
    Self = self(),
    {L, Port} = tcp_pairs:listen(),
    Owner = spawn_link(fun() ->
        {ok, C} = gen_tcp:connect(?LOOPBACK, Port, [binary, {active, false}]),
        Self ! {self(), C},
        receive stop -> ok end
    end),
    receive {Owner, C} -> ok end,
    {ok, S} = gen_tcp:accept(L, 5000),
    gentcp_fault:with({owner, Owner}, {recv, {error, eio}}, fun() ->
        {error, eio} = gen_tcp:recv(C, 0, 0),
        {error, timeout} = gen_tcp:recv(S, 0, 0)
    end),
    gentcp_fault:with({ancestor, self()}, {recv, {error, eio}}, fun() ->
        {error, eio} = gen_tcp:recv(C, 0, 0),
        {error, eio} = gen_tcp:recv(S, 0, 0)
    end),
    Owner ! stop,
    do_close([S, L]).

new_owner(_Config) ->
    {C, S} = tcp_pairs:pair(),
    Other = spawn_link(fun() -> receive stop -> ok end end),
    gentcp_fault:with({owner, Other}, {recv, {error, eio}}, fun() ->
        {error, timeout} = gen_tcp:recv(C, 0, 0),
        ok = gen_tcp:controlling_process(C, Other),
        {error, eio} = gen_tcp:recv(C, 0, 0),
        {error, timeout} = gen_tcp:recv(S, 0, 0)
    end),
    Other ! stop,
    do_close([S]).

%% A socket is the descendant of all who have had it, as ssl hands its sockets on.
owners_in_between(_Config) ->
    {C, S} = tcp_pairs:pair(),
    Me = self(),
    Last = spawn_link(fun() -> receive stop -> ok end end),
    Between = spawn_link(fun() ->
        receive {socket, Socket} -> Me ! {passed, gen_tcp:controlling_process(Socket, Last)} end,
        receive stop -> ok end
    end),
    gentcp_fault:with({ancestor, Between}, {recv, {error, eio}}, fun() ->
        {error, timeout} = gen_tcp:recv(C, 0, 0),
        ok = gen_tcp:controlling_process(C, Between),
        {error, eio} = gen_tcp:recv(C, 0, 0),
        Between ! {socket, C},
        receive {passed, Result} -> ok = Result end,
        {error, eio} = gen_tcp:recv(C, 0, 0)
    end),
    Last ! stop,
    Between ! stop,
    do_close([S]).

option_is_inherited(_Config) ->
    {L, Port} = tcp_pairs:listen([{gentcp_fault, [{in, {slice, 2}}, {accept, {delay, 1}}]}]),
    Peer = tcp_pairs:peer_connect(Port),
    {ok, S} = gen_tcp:accept(L, 5000),
    tcp_pairs:peer_send(Peer, "abcd"),
    [{ok, <<"ab">>}, {ok, <<"cd">>}] = [gen_tcp:recv(S, 0, 5000) || _ <- [1, 2]],
    ok = inet:setopts(S, [{gentcp_fault, []}]),
    tcp_pairs:peer_send(Peer, "efgh"),
    ok = tcp_pairs:arrived(S, 4),
    {ok, <<"efgh">>} = gen_tcp:recv(S, 4, 5000),
    do_close([S, L]),
    tcp_pairs:peer_close(Peer).

%%
%% Chance
%%

same_seed_same_slices(_Config) ->
    Run = fun(Seed) ->
        ok = gentcp_fault:seed(Seed),
        {S, Peer} = tcp_pairs:connect_to_peer([{gentcp_fault, {in, {slice, 1, 9}}}]),
        tcp_pairs:peer_send(Peer, do_data(500)),
        Sizes = do_sizes(S, 500),
        do_close([S]),
        tcp_pairs:peer_close(Peer),
        Sizes
    end,
    Sizes = Run(42),
    Sizes = Run(42),
    ?assertNotEqual(Sizes, Run(43)),
    43 = gentcp_fault:seed().

do_sizes(_S, 0) ->
    [];
do_sizes(S, Left) ->
    {ok, Data} = gen_tcp:recv(S, 0, 5000),
    [byte_size(Data) | do_sizes(S, Left - byte_size(Data))].

log_tells(_Config) ->
    {S, Peer} = tcp_pairs:connect_to_peer([{gentcp_fault, {in, {slice, 3}}}]),
    Start = erlang:monotonic_time(nanosecond),
    {ok, Rule} = gentcp_fault:add(S, {once, {recv, {error, eio}}}),
    {error, eio} = gen_tcp:recv(S, 0, 0),
    tcp_pairs:peer_send(Peer, "abcdef"),
    {ok, <<"abcdef">>} = gen_tcp:recv(S, 6, 5000),
    End = erlang:monotonic_time(nanosecond),
    [#{at := recv, rule := Rule, socket := S, fault := {once, {recv, {error, eio}}}, time := A},
     #{at := {in, 0}, rule := option, socket := S, fault := {in, {slice, 3}}, time := B}] =
        gentcp_fault:log(S),
    %% The two clocks are compared as the log is read, within a second.
    Second = 1_000_000_000,
    ?assert(Start - Second =< A andalso A =< B andalso B =< End + Second),
    ok = gentcp_fault:remove(Rule),
    do_close([S]),
    [#{socket := closed}, #{socket := closed}] = gentcp_fault:log(S),
    ok = gentcp_fault:clear_log(),
    [] = gentcp_fault:log(),
    tcp_pairs:peer_close(Peer).

%%
%% What is above gen_tcp
%%

ssl_over_faults(_Config) ->
    {ok, _} = application:ensure_all_started(ssl),
    #{server_config := ServerOpts, client_config := ClientOpts} = do_certificates(),
    Self = self(),
    gentcp_fault:with({ancestor, self()}, [byte_by_byte, {latency, 1}], fun() ->
        Server = spawn_link(fun() ->
            {ok, L} = ssl:listen(0, [{active, false} | ServerOpts]),
            {ok, {_, Port}} = ssl:sockname(L),
            Self ! {self(), Port},
            {ok, T} = ssl:transport_accept(L, 10_000),
            {ok, S} = ssl:handshake(T, 20_000),
            {ok, "question"} = ssl:recv(S, 8, 20_000),
            ok = ssl:send(S, "answer"),
            Self ! {self(), ssl:recv(S, 0, 20_000)}
        end),
        receive {Server, Port} -> ok end,
        {ok, C} = ssl:connect("localhost", Port, [{active, false}, {verify, verify_none} | ClientOpts],
                              20_000),
        ok = ssl:send(C, "question"),
        {ok, "answer"} = ssl:recv(C, 6, 20_000),
        ok = ssl:close(C),
        receive {Server, {error, closed}} -> ok after 20_000 -> error(late) end
    end),
    ?assertMatch([_ | _], gentcp_fault:log()),
    %% A connection that is cut in the handshake.
    gentcp_fault:with({ancestor, self()}, {out, {cut, {bytes, 20}, rst}}, fun() ->
        {L, Port} = tcp_pairs:listen(),
        {error, Reason} = ssl:connect(?LOOPBACK, Port, [{verify, verify_none}], 5000),
        ?assert(lists:member(Reason, [closed, econnreset])),
        do_close([L])
    end).

do_certificates() ->
    Certificate = [{key, {namedCurve, secp256r1}}, {digest, sha256}],
    Chain = #{root => Certificate, intermediates => [], peer => Certificate},
    public_key:pkix_test_data(#{server_chain => Chain, client_chain => Chain}).

http_over_faults(Config) ->
    {ok, _} = application:ensure_all_started(inets),
    Root = proplists:get_value(priv_dir, Config),
    ok = file:write_file(filename:join(Root, "page"), do_data(5000)),
    {ok, Httpd} = inets:start(httpd, [{port, 0}, {server_name, "localhost"}, {server_root, Root},
                                      {document_root, Root}, {bind_address, ?LOOPBACK}]),
    [{port, Port}] = httpd:info(Httpd, [port]),
    Get = fun() ->
        httpc:request(get, {"http://127.0.0.1:" ++ integer_to_list(Port) ++ "/page",
                            [{"connection", "close"}]},
                      [{timeout, 20_000}], [{body_format, binary}, {socket_opts, [{ipfamily, inet}]}])
    end,
    Expected = do_data(5000),
    try
        {ok, {{_, 200, _}, _, Expected}} = Get(),
        gentcp_fault:with({any_of, [{local, {port, Port}}, {peer, {port, Port}}]}, byte_by_byte, fun() ->
            {ok, {{_, 200, _}, _, Expected}} = Get()
        end),
        gentcp_fault:with({peer, {port, Port}}, {connect, {error, econnrefused}}, fun() ->
            {error, {failed_connect, Why}} = Get(),
            {_, _, econnrefused} = lists:keyfind(inet, 1, Why)
        end),
        gentcp_fault:with({direction, in}, {out, {cut, {bytes, 1000}, rst}}, fun() ->
            {error, _} = Get()
        end),
        {ok, {{_, 200, _}, _, Expected}} = Get()
    after
        inets:stop(httpd, Httpd),
        application:stop(inets)
    end.

ssh_over_faults(Config) ->
    {ok, _} = application:ensure_all_started(ssh),
    Dir = filename:join(proplists:get_value(priv_dir, Config), "ssh"),
    ok = filelib:ensure_path(Dir),
    Key = public_key:generate_key({namedCurve, secp256r1}),
    Pem = public_key:pem_encode([public_key:pem_entry_encode('ECPrivateKey', Key)]),
    ok = file:write_file(filename:join(Dir, "ssh_host_ecdsa_key"), Pem),
    {ok, Daemon} = ssh:daemon(?LOOPBACK, 0, [{system_dir, Dir}, {user_dir, Dir},
                                             {user_passwords, [{"joe", "secret"}]},
                                             {exec, {direct, fun(Text) -> {ok, Text} end}}]),
    {ok, Info} = ssh:daemon_info(Daemon),
    Port = proplists:get_value(port, Info),
    Connect = fun() ->
        ssh:connect(?LOOPBACK, Port, [{user, "joe"}, {password, "secret"}, {user_dir, Dir},
                                      {silently_accept_hosts, true}, {user_interaction, false},
                                      {save_accepted_host, false}], 30_000)
    end,
    try
        gentcp_fault:with({any_of, [{local, {port, Port}}, {peer, {port, Port}}]}, small_pieces, fun() ->
            {ok, Connection} = Connect(),
            {ok, Channel} = ssh_connection:session_channel(Connection, 20_000),
            success = ssh_connection:exec(Connection, Channel, "hello", 20_000),
            receive
                {ssh_cm, Connection, {data, Channel, 0, Said}} ->
                    ?assertMatch({match, _}, re:run(Said, "hello"))
            after 20_000 -> error(nothing_said)
            end,
            ok = ssh:close(Connection)
        end),
        gentcp_fault:with({peer, {port, Port}}, {in, {cut, {bytes, 10}, fin}}, fun() ->
            {error, _} = Connect()
        end)
    after
        ssh:stop_daemon(Daemon)
    end.

local_sockets(_Config) ->
    Path = tcp_pairs:local_path(),
    {ok, L} = gen_tcp:listen(0, [binary, {active, false}, local, {ip, {local, Path}}]),
    try
        gentcp_fault:with({peer, {local, Path}}, {connect, {error, econnrefused}}, fun() ->
            {error, econnrefused} = gen_tcp:connect({local, Path}, 0, [local])
        end),
        gentcp_fault:with({family, local}, byte_by_byte, fun() ->
            {ok, C} = gen_tcp:connect({local, Path}, 0, [local, binary, {active, false}]),
            {ok, S} = gen_tcp:accept(L, 5000),
            ok = gen_tcp:send(C, "ab"),
            [{ok, <<"a">>}, {ok, <<"b">>}] = [gen_tcp:recv(S, 0, 5000) || _ <- [1, 2]],
            do_close([C, S])
        end)
    after
        do_close([L]),
        ok = file:delete(Path)
    end.

%%
%% Shards
%%

%% A rule is for the sockets of all programs; one for a socket for that one only.
every_shard(_Config) ->
    2 = length(gentcp:port_info(all)),
    {error, {bad_fault, nonsense, _}} = gentcp_fault:add(all, nonsense),
    gentcp_fault:with({peer, {port, 1}}, {connect, {error, enetdown}}, fun() ->
        [{error, enetdown} = gen_tcp:connect(?LOOPBACK, 1, []) || _ <- lists:seq(1, 6)]
    end),
    Pairs = [tcp_pairs:pair() || _ <- lists:seq(1, 4)],
    Sockets = lists:append([[C, S] || {C, S} <- Pairs]),
    lists:foreach(fun(Chosen) ->
        gentcp_fault:with(Chosen, {recv, {error, eio}}, fun() ->
            [?assertEqual({error, case S of Chosen -> eio; _ -> timeout end}, gen_tcp:recv(S, 0, 0))
             || S <- Sockets]
        end)
    end, Sockets),
    ok = gentcp_fault:seed(5),
    5 = gentcp_fault:seed(),
    do_close(Sockets).

%%
%% Helpers of the cases
%%

do_close(Sockets) ->
    [ok = gen_tcp:close(S) || S <- Sockets],
    ok.

do_time(Fun) ->
    Start = erlang:monotonic_time(),
    Result = Fun(),
    {erlang:convert_time_unit(erlang:monotonic_time() - Start, native, millisecond), Result}.

do_data(Size) ->
    list_to_binary([N rem 251 || N <- lists:seq(1, Size)]).

%% How a stream ends of which data may be lost.
do_end_of(Peer) ->
    case socket:recv(Peer, 0, 10_000) of
        {ok, _} -> do_end_of(Peer);
        {error, {Reason, _}} -> {error, Reason};
        {error, Reason} -> {error, Reason}
    end.
