%% @doc Exploration: which plans there are, what counts as a failure, and that nothing of
%% a run is left.
-module(explore_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, init_per_suite/1, end_per_suite/1, end_per_testcase/2]).
-export([nothing_to_find/1, plans_and_counts/1, finds_an_error/1, finds_a_hang/1, finds_a_cut/1,
         finds_a_framing_bug/1, finds_a_process_left/1, finds_a_socket_left/1, allow/1, bounds/1,
         baseline/1, an_exit_of_the_process/1, sockets_of_descendants/1, cleans_up/1,
         killed_in_a_run/1, bad_options/1]).

-define(LOOPBACK, {127, 0, 0, 1}).

all() ->
    [nothing_to_find, plans_and_counts, finds_an_error, finds_a_hang, finds_a_cut,
     finds_a_framing_bug, finds_a_process_left, finds_a_socket_left, allow, bounds, baseline,
     an_exit_of_the_process, sockets_of_descendants, cleans_up, killed_in_a_run, bad_options].

init_per_suite(Config) ->
    {ok, _} = application:ensure_all_started(gentcp),
    ok = gentcp:install(),
    Config.

end_per_suite(_Config) ->
    ok = gentcp:uninstall(),
    ok = application:stop(gentcp).

end_per_testcase(_Case, _Config) ->
    [] = gentcp_fault:list(),
    ok.

%% Whatever happens is an answer.
nothing_to_find(_Config) ->
    {ok, #{planned := Planned, runs := Planned, failures := []}} =
        gentcp_fault:explore(fun careful/0, [{run_timeout, 5000}, {grace, 2000}]),
    ?assert(Planned > 20).

%% What was recorded, and one plan for each of it.
plans_and_counts(_Config) ->
    Self = self(),
    {ok, #{calls := Calls, planned := Planned}} =
        gentcp_fault:explore(fun careful/0, [{run_timeout, 5000}, {grace, 2000}, {errnos, [eio]}, {cuts, [fin]},
                                             {progress, fun(Run, Of, Plan) ->
                                                            Self ! {progress, Run, Of, Plan}
                                                        end}]),
    ?assertEqual([1], [N || {1, listen, N} <- Calls]),
    ?assertEqual([1], [N || {2, connect, N} <- Calls]),
    ?assertEqual([1], [N || {2, send, N} <- Calls]),
    ?assertEqual([1], [N || {2, recv, N} <- Calls]),
    ?assertEqual([1], [N || {1, accept, N} <- Calls]),
    ?assertEqual([1], [N || {3, recv, N} <- Calls]),
    Plans = [receive {progress, Run, Planned, Plan} -> Plan after 0 -> missing end
             || Run <- lists:seq(1, Planned)],
    [?assert(lists:member(Plan, Plans))
     || Plan <- [[{2, {nth, 1, {connect, {error, eio}}}}],
                 [{2, {nth, 1, {recv, never}}}],
                 [{2, {in, {slice, 1}}}],
                 [{2, {out, {cut, {bytes, 0}, fin}}}],
                 [{2, {out, {cut, {bytes, 4}, fin}}}],
                 [{2, {out, {cut, {bytes, 8}, fin}}}],
                 [{2, {in, {cut, {bytes, 3}, fin}}}],
                 [{3, {out, {cut, {bytes, 6}, fin}}}]]],
    Planned = length(lists:usort(Plans)).

finds_an_error(_Config) ->
    Fun = fun() ->
        {ok, C} = careful_connect(),
        try gen_tcp:recv(C, 0, 500) of
            {error, etimedout} -> error(what_is_that);
            _ -> ok
        after
            ok = gen_tcp:close(C)
        end
    end,
    Options = [{calls, [recv]}, {cuts, []}, {errnos, [econnreset, etimedout]}],
    {failed, Plan, #{failures := [{Plan, Failure}]}} = gentcp_fault:explore(Fun, Options),
    {not_allowed, {raised, error, what_is_that}} = Failure,
    [{_, {nth, 1, {recv, {error, etimedout}}}}] = Plan,
    {failed, Failure} = gentcp_fault:replay(Fun, Plan),
    {passed, {returned, ok}} = gentcp_fault:replay(Fun, []).

finds_a_hang(_Config) ->
    Fun = fun() ->
        {ok, C} = careful_connect(),
        _ = gen_tcp:recv(C, 0),
        gen_tcp:close(C)
    end,
    {failed, [{_, {nth, 1, {recv, never}}}] = Plan, _} =
        gentcp_fault:explore(Fun, [{calls, [recv]}, {cuts, []}, {run_timeout, 500}]),
    {failed, timeout} = gentcp_fault:replay(Fun, Plan, [{run_timeout, 300}]),
    ok.

%% An answer of two lines, of which the second is thought to be there when the first is.
finds_a_cut(_Config) ->
    Fun = fun() ->
        {ok, C} = careful_connect("one\ntwo\n", [{packet, line}]),
        try gen_tcp:recv(C, 0, 500) of
            {ok, <<"one\n">>} ->
                case gen_tcp:recv(C, 0, 500) of
                    {ok, <<"two\n">>} -> ok;
                    _ -> error(half_an_answer)
                end;
            {error, _} ->
                ok
        after
            ok = gen_tcp:close(C)
        end
    end,
    {failed, Plan, _} = gentcp_fault:explore(Fun, [{calls, []}, {cuts, [fin]}]),
    [{_, {_, {cut, {bytes, 4}, fin}}}] = Plan,
    {failed, {not_allowed, {raised, error, half_an_answer}}} = gentcp_fault:replay(Fun, Plan),
    ok.

finds_a_framing_bug(_Config) ->
    Fun = fun() ->
        {ok, C} = careful_connect(),
        Got = gen_tcp:recv(C, 0, 500),
        ok = gen_tcp:close(C),
        {ok, <<"answer">>} = Got
    end,
    {failed, [{_, {in, {slice, 1}}}], _} = gentcp_fault:explore(Fun, [{calls, []}, {cuts, []}]).

%% A reader that nobody ends when its owner gives up.
finds_a_process_left(_Config) ->
    Fun = fun() ->
        {ok, C} = careful_connect(),
        Reader = spawn(fun() -> receive stop -> ok end end),
        case gen_tcp:recv(C, 0, 500) of
            {ok, _} -> Reader ! stop;
            {error, _} -> forgotten
        end,
        gen_tcp:close(C)
    end,
    {failed, Plan, #{failures := [{_, {left_behind, [Pid]}} | _]}} =
        gentcp_fault:explore(Fun, [{calls, [recv]}, {errnos, [eio]}, {cuts, []}]),
    [{_, {nth, 1, {recv, {error, eio}}}}] = Plan,
    true = is_pid(Pid),
    false = is_process_alive(Pid).

finds_a_socket_left(_Config) ->
    Fun = fun() ->
        {ok, C} = careful_connect(),
        case gen_tcp:recv(C, 0, 500) of
            {ok, _} -> gen_tcp:close(C);
            {error, _} -> forgotten
        end
    end,
    {failed, _, #{failures := [{_, {left_behind, [{'$inet', gentcp, _}]}} | _]}} =
        gentcp_fault:explore(Fun, [{calls, [recv]}, {errnos, [eio]}, {cuts, []}]).

allow(_Config) ->
    Fun = fun() ->
        case gen_tcp:listen(0, []) of
            {ok, L} -> gen_tcp:close(L);
            {error, Reason} -> exit({cannot_listen, Reason})
        end
    end,
    {failed, [{1, {nth, 1, {listen, {error, eaddrinuse}}}}], #{failures := [_, _]}} =
        gentcp_fault:explore(Fun, []),
    {ok, _} = gentcp_fault:explore(Fun, [{allow, fun({raised, exit, {cannot_listen, _}}) -> true;
                                                    ({returned, ok}) -> true;
                                                    (_) -> false
                                                 end}]),
    %% It is asked about what is returned, too.
    {failed, _, _} = gentcp_fault:explore(fun() -> catch Fun() end,
                                          [{allow, fun(Outcome) -> Outcome =:= {returned, ok} end}]).

bounds(_Config) ->
    {ok, #{runs := 3, planned := Planned}} = gentcp_fault:explore(fun careful/0, [{max_runs, 3}]),
    ?assert(Planned > 3),
    {ok, #{runs := 0}} = gentcp_fault:explore(fun careful/0, [{max_time, 0}]),
    {ok, #{runs := 0, planned := 0, calls := []}} = gentcp_fault:explore(fun() -> ok end, []).

baseline(_Config) ->
    {error, {baseline, {not_allowed, {raised, error, always}}}} =
        gentcp_fault:explore(fun() -> error(always) end, []),
    {error, {baseline, {left_behind, [_]}}} =
        gentcp_fault:explore(fun() -> spawn(fun() -> receive stop -> ok end end) end, []),
    {error, {baseline, timeout}} =
        gentcp_fault:explore(fun() -> receive stop -> ok end end, [{run_timeout, 100}]).

%% A link that brings the process down.
an_exit_of_the_process(_Config) ->
    Fun = fun() ->
        Self = self(),
        Linked = spawn_link(fun() ->
            {ok, L} = gen_tcp:listen(0, []),
            ok = gen_tcp:close(L),
            Self ! {self(), done}
        end),
        receive {Linked, done} -> ok end
    end,
    {failed, [{1, {nth, 1, {listen, _}}}], #{failures := [{_, {not_allowed, {exited, _}}} | _]}} =
        gentcp_fault:explore(Fun, []).

%% Those of proc_lib, of spawn, and of their children; not those of others.
sockets_of_descendants(_Config) ->
    {L, Port} = tcp_pairs:listen(),
    Fun = fun() ->
        Self = self(),
        Connect = fun(To) ->
            {ok, C} = gen_tcp:connect(?LOOPBACK, Port, []),
            ok = gen_tcp:close(C),
            To ! {self(), done}
        end,
        A = spawn(fun() ->
            Me = self(),
            B = proc_lib:spawn(fun() -> Connect(Me) end),
            receive {B, done} -> Connect(Self) end
        end),
        receive {A, done} -> ok after 200 -> given_up end,
        Connect(self())
    end,
    {_, _, #{calls := Calls}} = gentcp_fault:explore(Fun, [{cuts, []}, {errnos, [eio]}]),
    3 = length([Number || {Number, connect, 1} <- Calls]),
    [] = [Call || {_, Call, _} <- Calls, Call =:= listen orelse Call =:= accept],
    ok = gen_tcp:close(L).

%% Nothing of an exploration outlives it, nor that of one that is killed.
cleans_up(_Config) ->
    Before = length(gentcp:which_sockets()),
    Self = self(),
    Pid = spawn(fun() ->
        gentcp_fault:explore(fun careful/0, [{progress, fun(5, _, _) -> Self ! fifth,
                                                                        receive for_ever -> ok end;
                                                           (_, _, _) -> ok end}])
    end),
    receive fifth -> ok end,
    exit(Pid, kill),
    tcp_pairs:eventually(fun() ->
        gentcp_fault:list() =:= [] andalso length(gentcp:which_sockets()) =:= Before
    end).

%% The run ends with its explorer, and so does what it has spawned.
killed_in_a_run(_Config) ->
    Self = self(),
    Pid = spawn(fun() ->
        gentcp_fault:explore(fun() ->
            Self ! {runs, self(), spawn(fun() -> receive stop -> ok end end)},
            receive stop -> ok end
        end, [])
    end),
    {Run, Child} = receive {runs, R, C} -> {R, C} end,
    Monitors = [erlang:monitor(process, P) || P <- [Run, Child]],
    exit(Pid, kill),
    [receive {'DOWN', Monitor, process, _, killed} -> ok
     after 5000 -> error({outlives, Run, Child})
     end || Monitor <- Monitors],
    ok.

%% A misspelt bound would be none.
bad_options(_Config) ->
    [?assertEqual({error, {bad_option, Bad}}, gentcp_fault:explore(fun() -> ok end, [{grace, 1}, Bad]))
     || Bad <- [{max_run, 3}, {max_runs, few}, {calls, [shutdown]}, {calls, recv}, {cuts, [reset]},
                {allow, true}, {progress, fun() -> ok end}, {run_timeout, 0}, {grace, -1}, errnos]],
    {error, {bad_option, none}} = gentcp_fault:explore(fun() -> ok end, none),
    {error, {bad_fault, {error, enothing}, unknown_posix}} =
        gentcp_fault:explore(fun() -> ok end, [{errnos, [enothing]}]),
    ?assertError({bad_option, {runtimeout, 3}},
                 gentcp_fault:replay(fun() -> ok end, [], [{runtimeout, 3}])).

%%
%% A client and a server that expect everything
%%

careful() ->
    case careful_connect() of
        {ok, C} ->
            _ = gen_tcp:send(C, "question"),
            _ = gen_tcp:recv(C, 0, 200),
            ok = gen_tcp:close(C);
        {error, _} ->
            ok
    end.

careful_connect() ->
    careful_connect("answer", []).

%% A connection to a server that says something when it has read something or for a while
%% nothing, and goes.
careful_connect(Answer, Opts) ->
    Self = self(),
    Server = spawn_link(fun() -> careful_server(Self, Answer) end),
    receive
        {Server, {ok, Port}} ->
            gen_tcp:connect(?LOOPBACK, Port, [binary, {active, false}, {send_timeout, 200} | Opts], 200);
        {Server, {error, _} = Error} ->
            Error
    end.

careful_server(Client, Answer) ->
    case gen_tcp:listen(0, [binary, {active, false}, {send_timeout, 200}, {ip, ?LOOPBACK}]) of
        {ok, L} ->
            Client ! {self(), inet:port(L)},
            case gen_tcp:accept(L, 200) of
                {ok, S} ->
                    _ = gen_tcp:send(S, Answer),
                    _ = gen_tcp:recv(S, 0, 200),
                    gen_tcp:close(S);
                {error, _} ->
                    ok
            end,
            gen_tcp:close(L);
        {error, _} = Error ->
            Client ! {self(), Error}
    end.
