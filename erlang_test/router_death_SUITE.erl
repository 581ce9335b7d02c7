%% @doc What the owners of sockets hear when a router dies without a word, or its port program
%% does at the worst moment, and what a port program that lies can do.
%%
%% These cases have no counterpart on the stock driver.
-module(router_death_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, init_per_testcase/2, end_per_testcase/2]).
-export([log/2]).

%% Routers.
-export([
    router_is_killed/1,
    router_crashes/1,
    router_is_killed_while_the_program_is_stopped/1,
    router_is_killed_with_many_sockets/1,
    heir_is_killed_before_the_router/1,
    heir_is_killed_with_the_router/1
]).

%% Owners that have re-armed.
-export([
    once_is_armed_again_before_the_message_is_there/1,
    count_is_armed_again_before_the_end_is_there/1,
    armed_socket_with_its_message_before_the_reply_is_passive/1,
    armed_count_with_its_end_before_the_reply_is_passive/1,
    refused_options_arm_nothing/1
]).

%% A program that lies.
-export([
    late_credit_leaves_nothing/1,
    program_that_lies_is_killed/1,
    forged_tags_reach_nobody/1,
    new_atoms_are_not_made/1,
    lines_that_are_none_are_errors/1,
    known_atoms_are_known/1
]).

-import(tcp_pairs, [eventually/1, flush/0]).

-define(LOOPBACK, {127, 0, 0, 1}).
-define(OPTS, [binary, {active, false}, {ip, ?LOOPBACK}]).

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    [
        router_is_killed,
        router_crashes,
        router_is_killed_while_the_program_is_stopped,
        router_is_killed_with_many_sockets,
        heir_is_killed_before_the_router,
        heir_is_killed_with_the_router,
        once_is_armed_again_before_the_message_is_there,
        count_is_armed_again_before_the_end_is_there,
        armed_socket_with_its_message_before_the_reply_is_passive,
        armed_count_with_its_end_before_the_reply_is_passive,
        refused_options_arm_nothing,
        late_credit_leaves_nothing,
        program_that_lies_is_killed,
        forged_tags_reach_nobody,
        new_atoms_are_not_made,
        lines_that_are_none_are_errors,
        known_atoms_are_known
    ].

init_per_testcase(_Case, Config) ->
    _ = application:stop(gentcp),
    {ok, _} = application:ensure_all_started(gentcp),
    ok = logger:add_handler(?MODULE, ?MODULE, #{config => self()}),
    Config.

end_per_testcase(_Case, _Config) ->
    ok = logger:remove_handler(?MODULE),
    ok = application:stop(gentcp).

%%
%% Routers
%%

router_is_killed(_Config) ->
    do_death(fun(Router) -> exit(Router, kill) end).

%% At a question that nobody asks.
router_crashes(_Config) ->
    do_death(fun(Router) -> closed = gentcp_call:ask(Router, nonsense) end).

%% All is as when the port program dies, and that goes as well.
do_death(End) ->
    {ok, L} = gentcp:listen(0, ?OPTS),
    {ok, Port} = gentcp:port(L),
    {Active, _} = do_pair([{active, true}]),
    {Once, _} = do_pair([{active, once}]),
    {Passive, _} = do_pair([{active, false}]),
    {Passed, _} = do_pair([{active, true}]),
    Self = self(),
    Owner = spawn_link(fun() -> do_relay(Self) end),
    ok = gentcp:controlling_process(Passed, Owner),
    Ref = gentcp:monitor(Passive),
    Cancelled = gentcp:monitor(Passive),
    true = gentcp:cancel_monitor(Cancelled),
    Receiver = spawn_monitor(fun() -> exit(gentcp:recv(Passive, 0)) end),
    #{os_pid := OsPid} = gentcp:port_info(),
    [Router] = gentcp_sup:routers(),
    End(Router),
    receive {'DOWN', Ref, port, Passive, econnaborted} -> ok end,
    [receive M -> ok end || S <- [Active, Once],
                            M <- [{tcp_error, S, econnaborted}, {tcp_closed, S}]],
    [receive {Owner, M} -> ok end || M <- [{tcp_error, Passed, econnaborted}, {tcp_closed, Passed}]],
    receive {'DOWN', Receiving, process, _, Result} when {element(1, Receiver), Receiving} =:= Receiver ->
        ?assertEqual({error, closed}, Result)
    end,
    eventually(fun() -> not os_process:lives(OsPid) end),
    ?assertEqual({error, closed}, gentcp:send(Active, "x")),
    %% Nothing is left of the old one: its address can be used.
    {ok, New} = gentcp:listen(Port, ?OPTS),
    ?assertEqual([New], gentcp:which_sockets()),
    {'$inet', gentcp, {NewPort, _, _}} = New,
    ?assertEqual([NewPort], [P || {{gentcp_port, P}, _} <- persistent_term:get()]),
    ?assertEqual([], [M || M <- flush(), element(1, M) =/= logged]).

%% It does not notice the end of its stdin.
router_is_killed_while_the_program_is_stopped(_Config) ->
    {Active, _} = do_pair([{active, true}]),
    #{os_pid := OsPid} = gentcp:port_info(),
    ok = os_process:signal("STOP", OsPid),
    [Router] = gentcp_sup:routers(),
    exit(Router, kill),
    receive {tcp_closed, Active} -> ok end,
    eventually(fun() -> not os_process:lives(OsPid) end),
    {_, _} = do_pair([]).

router_is_killed_with_many_sockets(_Config) ->
    Pairs = [do_pair([{active, true}]) || _ <- lists:seq(1, 300)],
    %% Those that are closed are not told of again.
    {Closed, Open} = lists:split(100, Pairs),
    [ok = gentcp:close(Socket) || {C, S} <- Closed, Socket <- [C, S]],
    [Router] = gentcp_sup:routers(),
    _ = flush(),
    exit(Router, kill),
    [receive M -> ok end || {S, _} <- Open, M <- [{tcp_error, S, econnaborted}, {tcp_closed, S}]],
    ?assertEqual([], [M || M <- flush(), element(1, M) =/= logged]).

%% A router that lives gets another one.
heir_is_killed_before_the_router(_Config) ->
    {Active, _} = do_pair([{active, true}]),
    #{os_pid := OsPid} = gentcp:port_info(),
    Lost = do_heir(),
    exit(Lost, kill),
    eventually(fun() -> not lists:member(do_heir(), [Lost, none]) end),
    [Router] = gentcp_sup:routers(),
    exit(Router, kill),
    [receive M -> ok end || M <- [{tcp_error, Active, econnaborted}, {tcp_closed, Active}]],
    eventually(fun() -> not os_process:lives(OsPid) end),
    {_, _} = do_pair([]).

%% Then nobody is left to tell the owners, but there are new sockets, and no second program.
heir_is_killed_with_the_router(_Config) ->
    {_, _} = do_pair([]),
    #{os_pid := OsPid} = gentcp:port_info(),
    ok = os_process:signal("STOP", OsPid),
    [Router] = gentcp_sup:routers(),
    ok = sys:suspend(Router),
    Lost = do_heir(),
    Monitor = erlang:monitor(process, Lost),
    exit(Lost, kill),
    receive {'DOWN', Monitor, process, Lost, _} -> ok end,
    exit(Router, kill),
    eventually(fun() -> not os_process:lives(OsPid) end),
    {_, _} = do_pair([]).

%%
%% Owners that have re-armed
%%

%% The message for the first `once' is on its way when the second is asked for.
once_is_armed_again_before_the_message_is_there(_Config) ->
    do_rearm([{active, once}], fun(Peer) -> ok = gentcp:send(Peer, "x") end,
             [{active, once}], fun(S) -> [{tcp, S, <<"x">>}] end, told).

%% The same with the message that says that nothing comes any more.
count_is_armed_again_before_the_end_is_there(_Config) ->
    do_rearm([{active, 1}], fun(Peer) -> ok = gentcp:send(Peer, "x") end,
             [{active, 1}], fun(S) -> [{tcp, S, <<"x">>}, {tcp_passive, S}] end, told).

%% What was there already comes before the reply, and ends what the command has begun.
armed_socket_with_its_message_before_the_reply_is_passive(_Config) ->
    do_rearm([{active, false}], fun(Peer) -> ok = gentcp:send(Peer, "x") end,
             [{active, once}], fun(S) -> [{tcp, S, <<"x">>}] end, not_told).

armed_count_with_its_end_before_the_reply_is_passive(_Config) ->
    do_rearm([{active, false}], fun(Peer) -> ok = gentcp:send(Peer, "x") end,
             [{active, 1}], fun(S) -> [{tcp, S, <<"x">>}, {tcp_passive, S}] end, not_told).

refused_options_arm_nothing(_Config) ->
    {S, _} = do_pair([{active, false}]),
    {error, einval} = gentcp:setopts(S, [{active, true}, {packet, nonsense}]),
    ok = do_kill_program(),
    ?assertEqual([], [M || M <- flush(), element(1, M) =/= logged]).

%% While the router is held, data arrives and the options are set, so that it reads both
%% in one go. Then the program dies.
do_rearm(Opts, Send, Again, Expected, IsTold) ->
    {S, Peer} = do_pair(Opts),
    [Router] = gentcp_sup:routers(),
    case Opts of
        [{active, false}] ->
            Send(Peer),
            ok = tcp_pairs:arrived(S, 1),
            ok = sys:suspend(Router);
        _ ->
            ok = sys:suspend(Router),
            Send(Peer),
            eventually(fun() -> do_frames(Router) > 0 end)
    end,
    Self = self(),
    Caller = spawn_link(fun() -> Self ! {self(), gentcp:setopts(S, Again)} end),
    Before = do_frames(Router),
    eventually(fun() -> do_frames(Router) > Before end),
    ok = sys:resume(Router),
    receive {Caller, Result} -> ok = Result end,
    [receive M -> ok end || M <- Expected(S)],
    ok = do_kill_program(),
    ?assertEqual(case IsTold of
                     told -> [{tcp_error, S, econnaborted}, {tcp_closed, S}];
                     not_told -> []
                 end, [M || M <- flush(), element(1, M) =/= logged]).

do_frames(Router) ->
    {message_queue_len, Length} = process_info(Router, message_queue_len),
    Length.

%%
%% A program that lies
%%

%% Credit for a socket that has gone, as a peer can cause it.
late_credit_leaves_nothing(_Config) ->
    {S, _} = do_pair([]),
    {'$inet', gentcp, {_, Id, _}} = S,
    ok = gentcp:close(S),
    [Router] = gentcp_sup:routers(),
    Size = fun() -> erts_debug:flat_size(sys:get_state(Router)) end,
    do_say(Router, [{credit, Id, 10, 1000}]),
    Before = Size(),
    do_say(Router, [{credit, Id + N, 10, 1000} || N <- lists:seq(1, 1000)]),
    ?assert(Size() =< Before + 100).

%% Whatever it says, it is killed, with one line in the log, and the owners are told.
program_that_lies_is_killed(_Config) ->
    Lies = [<<"no term">>, <<131, 108, 255, 255, 255, 255, 106>>, <<>>,
            term_to_binary({tcp, 1, <<"x">>}),
            term_to_binary([{nonsense, 1}]),
            term_to_binary([nonsense]),
            term_to_binary([{reply, 4711, {ok, 1}}]),
            term_to_binary([{reply, 4711, {error, closed}}]),
            term_to_binary([{reply, <<"tag">>, ok}]),
            term_to_binary([{reply, term_to_binary(self()), ok}]),
            term_to_binary([{tcp, 4711, <<"x">>}, {gone}])],
    [begin
         {S, _} = do_pair([{active, true}]),
         [Router] = gentcp_sup:routers(),
         #{os_pid := OsPid, port := Port} = hd(gentcp:port_info(all)),
         _ = flush(),
         Router ! {Port, {data, Lie}},
         receive {tcp_error, S, econnaborted} -> ok after 5000 -> error({not_told, Lie}) end,
         receive {tcp_closed, S} -> ok end,
         eventually(fun() -> not os_process:lives(OsPid) end),
         ?assertMatch([_], [Line || {logged, Line} <- flush()])
     end || Lie <- Lies],
    {_, _} = do_pair([]).

%% Neither a name, nor a process, nor an alias of somebody else's call.
forged_tags_reach_nobody(_Config) ->
    true = register(?MODULE, self()),
    Alias = alias(),
    [begin
         {ok, L} = gentcp:listen(0, ?OPTS),
         Ref = gentcp:monitor(L),
         [Router] = gentcp_sup:routers(),
         do_say(Router, [{reply, Tag, {ok, <<"mine">>}}]),
         receive {'DOWN', Ref, port, L, econnaborted} -> ok end,
         ?assertEqual([], [M || M <- flush(), element(1, M) =/= logged])
     end || Forged <- [?MODULE, self(), Alias, {Alias, self(), 1}, {?MODULE, 1, once}],
            Tag <- [term_to_binary(Forged), <<0:64, (term_to_binary(Forged))/binary>>]],
    true = unregister(?MODULE).

new_atoms_are_not_made(_Config) ->
    {ok, _} = gentcp:listen(0, ?OPTS),
    [Router] = gentcp_sup:routers(),
    Name = "never_" ++ integer_to_list(erlang:unique_integer([positive])),
    Atom = <<119, (length(Name)), (list_to_binary(Name))/binary>>,
    {'$inet', gentcp, {Port, _, _}} = hd(gentcp:which_sockets()),
    Monitor = erlang:monitor(process, Router),
    Router ! {Port, {data, <<131, 108, 1:32, 104, 2, 119, 5, "error", Atom/binary, 106>>}},
    receive {'DOWN', Monitor, process, Router, _} -> ok end,
    ?assertError(badarg, list_to_existing_atom(Name)).

%% They are parsed in the process that takes them.
lines_that_are_none_are_errors(_Config) ->
    ?assertEqual([{http_error, <<"GET">>}],
                 gentcp_proto:packets({lines, http_bin, 0, 1, <<"GET">>})),
    ?assertEqual([{http_error, <<>>}, {http_error, <<>>}],
                 gentcp_proto:packets({lines, http_bin, 1, 2, <<>>})).

%% Of a good program every error can be read, in a node that has never named it before.
known_atoms_are_known(_Config) ->
    {ok, Peer, _} = peer_node:start(),
    {ok, _} = peer:call(Peer, application, ensure_all_started, [gentcp]),
    {ok, _} = peer:call(Peer, gentcp_sup, router, []),
    Names = ["ehostunreach", "enetunreach", "ekeyrejected", "etoomanyrefs", "Proxy-Authorization",
             "OPTIONS", "absoluteURI", "httph_bin", "accepting"],
    [?assert(is_atom(peer:call(Peer, erlang, list_to_existing_atom, [Name]))) || Name <- Names],
    ok = peer:stop(Peer).

%%
%% Helpers
%%

do_pair(ConnectOpts) ->
    {ok, L} = gentcp:listen(0, ?OPTS),
    {ok, Port} = gentcp:port(L),
    {ok, C} = gentcp:connect(?LOOPBACK, Port, [binary | ConnectOpts], 5000),
    {ok, S} = gentcp:accept(L, 5000),
    ok = gentcp:close(L),
    {C, S}.

do_heir() ->
    {monitors, Monitors} = process_info(whereis(gentcp_shard_1), monitors),
    case [Pid || {process, Pid} <- Monitors] of
        [Heir] -> Heir;
        [] -> none
    end.

do_relay(To) ->
    receive M -> To ! {self(), M}, do_relay(To) end.

%% As if the port program had written it.
do_say(Router, Messages) ->
    #{port := Port} = gentcp_call:ask(Router, info),
    Router ! {Port, {data, term_to_binary(Messages)}},
    ok.

do_kill_program() ->
    #{os_pid := OsPid} = gentcp:port_info(),
    [Router] = gentcp_sup:routers(),
    Monitor = erlang:monitor(process, Router),
    ok = os_process:signal("KILL", OsPid),
    receive {'DOWN', Monitor, process, Router, _} -> ok end.

%% A handler of logger.
log(#{level := error, msg := {Format, Args}}, #{config := Pid}) when is_list(Format) ->
    Pid ! {logged, lists:flatten(io_lib:format(Format, Args))};
log(_Event, _Config) ->
    ok.
