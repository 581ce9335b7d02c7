%% @doc A Common Test hook that runs any suite over gentcp, under faults if they are
%% wanted. The suite needs no change.
%%
%% ```
%% ct_run -suite shop_SUITE -ct_hooks cth_gentcp "[{profile, slow_3g}]"
%% {ct_opts, [{ct_hooks, [{cth_gentcp, [{faults, {slice, 1}}]}]}]}.     % rebar.config
%% suite() -> [{ct_hooks, [{cth_gentcp, [{seed, 42}]}]}].               % in a suite
%% '''
%%
%% The hook installs gentcp before the first suite, and the run ends if it cannot. Behind
%% the last it uninstalls. The log of each case has the seed, the faults that it
%% was under, what was injected, and the sockets that it left open.
%%
%% == Options ==
%%
%% <ul>
%% <li>`{faults, Faults}' and `{profile, Name}': for all sockets of the node. Several of
%% them combine.</li>
%% <li>`{suite, Suite, Options}', `{group, Suite, Group, Options}', `{testcase, Suite,
%% Case, Options}': faults and profiles for the length of these, in addition. In a
%% parallel group those of a case are for the sockets of its process and of the
%% descendants of that only, elsewhere for all.</li>
%% <li>`{seed, Seed}': random if there is none. Each case that does not run beside others
%% begins with it.</li>
%% <li>`{leaks, report | fail | ignore}': what to do about sockets that a case left open;
%% `report' if there is none.</li>
%% <li>`{compare, [stock, gentcp]}': when all is done, runs the suites again on the other
%% driver and prints what differs.</li>
%% <li>`{matrix, [Profile, ...]}': the same under each of these profiles, and prints a table
%% of case against profile.</li>
%% <li>`{explore, [Case | {Case, Options}]}': see {@link gentcp_fault:explore/2}. The case
%% fails if a plan does that Options do not allow.</li>
%% <li>`{driver, gentcp | stock}': `stock' installs nothing and injects nothing.</li>
%% <li>`{run_options, Options}' of {@link ct:run_test/1} and `{erl_args, [string()]}' for
%% the nodes of `compare' and `matrix'.</li>
%% </ul>
-module(cth_gentcp).

%% Called by Common Test.
-export([id/1, init/2, terminate/1,
         pre_init_per_suite/3, post_end_per_suite/4,
         pre_init_per_group/4, post_init_per_group/5, post_end_per_group/5,
         pre_init_per_testcase/4, post_end_per_testcase/5,
         on_tc_fail/4, on_tc_skip/4]).

-export_type([option/0]).

-type option() :: {faults, gentcp_fault:faults()}
                | {profile, atom()}
                | {suite, Suite :: atom(), [option()]}
                | {group, Suite :: atom(), Group :: atom(), [option()]}
                | {testcase, Suite :: atom(), Case :: atom(), [option()]}
                | {seed, gentcp_fault:seed()}
                | {leaks, report | fail | ignore}
                | {compare, [stock | gentcp]}
                | {matrix, [atom()]}
                | {explore, [atom() | {atom(), [gentcp_explore:option()]}]}
                | {driver, stock | gentcp}
                | {run_options, [term()]}
                | {erl_args, [string()]}
                | {only, [cth_gentcp_columns:key()]}
                | {outcomes, file:filename()}.
%% The last two are for the nodes of `compare' and `matrix'.

%% How long a socket that is about to close may take, in milliseconds.
-define(GRACE, 300).
-define(POLL_INTERVAL, 10).

%% The last lines of the log of faults that a case shows.
-define(LOG_LINES, 200).

%% A test case between its beginning and its end.
-record(tc, {
    suite :: atom(),
    name :: atom(),
    pid :: pid(),
    is_parallel :: boolean(),
    started = erlang:monotonic_time(nanosecond) :: integer(),
    %% Sockets that were there before.
    sockets :: [gentcp:socket()],
    explored = ok :: ok | {failed, gentcp_explore:plan()}
}).

-record(state, {
    options :: [option()],
    driver :: stock | gentcp,
    %% gentcp was not installed before.
    is_ours :: boolean(),
    %% That each case begins with; of no meaning on the stock driver.
    seed = 0 :: gentcp_fault:seed(),
    %% Those of the whole run.
    rules = [] :: [gentcp_fault:rule_id()],
    suite_rules = [] :: [gentcp_fault:rule_id()],
    %% The groups that we are in with their rules, the innermost first.
    groups = [] :: [{atom(), [gentcp_fault:rule_id()]}],
    cases = [] :: [#tc{}],
    suites = [] :: [{atom(), file:filename()}],
    outcomes = [] :: [{cth_gentcp_columns:key(), cth_gentcp_columns:outcome()}],
    leaked = 0 :: non_neg_integer()
}).

%%
%% The whole run
%%

%% @private
-spec id(term()) -> cth_gentcp.
id(_Options) ->
    ?MODULE.

%% @private
-spec init(term(), [option()]) -> {ok, #state{}}.
init(_Id, Options) ->
    is_list(Options) orelse fail({bad_option, Options}),
    lists:foreach(fun check/1, Options),
    State = #state{options = Options, driver = proplists:get_value(driver, Options, gentcp),
                   is_ours = not gentcp_install:is_installed()},
    case State#state.driver of
        stock ->
            {ok, State};
        gentcp ->
            ok = install(),
            lists:foreach(fun check_faults/1, Options),
            _ = case lists:keyfind(seed, 1, Options) of
                    {seed, Seed} -> ok = gentcp_fault:seed(Seed);
                    false -> ok
                end,
            {ok, State#state{seed = gentcp_fault:seed(), rules = add(all, Options)}}
    end.

check({faults, _}) -> ok;
check({profile, Name}) ->
    gentcp_profile:find(Name) =/= error orelse fail({unknown_profile, Name});
check({suite, Suite, Options}) when is_atom(Suite), is_list(Options) ->
    lists:foreach(fun check/1, Options);
check({group, Suite, Group, Options}) when is_atom(Suite), is_atom(Group), is_list(Options) ->
    lists:foreach(fun check/1, Options);
check({testcase, Suite, Case, Options}) when is_atom(Suite), is_atom(Case), is_list(Options) ->
    lists:foreach(fun check/1, Options);
check({seed, Seed}) when is_integer(Seed), Seed >= 0, Seed =< 16#FFFFFFFFFFFFFFFF -> ok;
check({leaks, What}) when What =:= report; What =:= fail; What =:= ignore -> ok;
check({driver, Driver}) when Driver =:= stock; Driver =:= gentcp -> ok;
check({compare, [_ | _] = Drivers}) ->
    Drivers -- [stock, gentcp] =:= [] orelse fail({bad_option, {compare, Drivers}});
check({matrix, [_ | _] = Profiles}) ->
    lists:foreach(fun(Name) -> check({profile, Name}) end, Profiles);
check({explore, Cases} = Option) when is_list(Cases) ->
    lists:foreach(fun(Case) when is_atom(Case) -> ok;
                     ({Case, Options}) when is_atom(Case) ->
                          _ = [fail({Case, Reason}) || {error, Reason} <- [gentcp_explore:check(Options)]],
                          ok;
                     (_) -> fail({bad_option, Option})
                  end, Cases);
check({Name, List}) when is_list(List), (Name =:= run_options orelse Name =:= erl_args
                                         orelse Name =:= only) -> ok;
check({outcomes, _File}) -> ok;
check(Other) -> fail({bad_option, Other}).

%% A rule for no socket shows whether its faults are some.
check_faults({faults, Faults}) ->
    case gentcp_fault:add({any_of, []}, Faults) of
        {ok, Rule} -> ok = gentcp_fault:remove(Rule);
        {error, Reason} -> fail(Reason)
    end;
check_faults({suite, _Suite, Options}) -> lists:foreach(fun check_faults/1, Options);
check_faults({group, _Suite, _Group, Options}) -> lists:foreach(fun check_faults/1, Options);
check_faults({testcase, _Suite, _Case, Options}) -> lists:foreach(fun check_faults/1, Options);
check_faults(_) -> ok.

%% Common Test says no more than that some hook failed.
-spec fail(term()) -> no_return().
fail(Reason) ->
    io:format(user, "~ncth_gentcp: ~tp~n", [Reason]),
    exit({?MODULE, Reason}).

install() ->
    case gentcp:install() of
        ok ->
            case cth_gentcp_columns:serving() of
                gentcp -> ok;
                Other -> fail({cannot_install, Other})
            end;
        {error, Reason} ->
            fail({cannot_install, Reason})
    end.

%% @private
-spec terminate(#state{}) -> ok.
terminate(#state{driver = Driver, is_ours = IsOurs} = State) ->
    #state{options = Options, outcomes = Outcomes, suites = Suites} = State,
    case Driver of
        gentcp ->
            end_rules(State),
            IsOurs andalso gentcp:uninstall(),
            State#state.leaked =:= 0 orelse
                io:format(user, "~ncth_gentcp: ~b sockets were left open, see the logs of the cases~n",
                          [State#state.leaked]);
        stock ->
            ok
    end,
    case lists:keyfind(outcomes, 1, Options) of
        {outcomes, File} ->
            cth_gentcp_columns:write(File, lists:reverse(Outcomes));
        false ->
            [io:format(user, "~ncth_gentcp: nothing ran that is ~0tp~n", [Scope])
             || Scope <- unmet(Options, [Suite || {Suite, _} <- Suites], [Key || {Key, _} <- Outcomes])],
            cth_gentcp_columns:run(lists:reverse(Suites), lists:reverse(Outcomes), Options)
    end.

%% What the options name and the run had not: a misspelt name would inject nothing.
unmet(Options, Suites, Keys) ->
    Named = lists:flatmap(fun({suite, Suite, _}) -> [{suite, Suite}];
                             ({group, Suite, Group, _}) -> [{group, Suite, Group}];
                             ({testcase, Suite, Case, _}) -> [{testcase, Suite, Case}];
                             ({explore, Cases}) -> [{explore, explored_case(Case)} || Case <- Cases];
                             (_) -> []
                          end, Options),
    Met = [{suite, Suite} || Suite <- Suites]
        ++ lists:append([[{testcase, Suite, Case}, {explore, Case}
                          | [{group, Suite, Group} || Group <- Groups]]
                         || {Suite, Groups, Case} <- Keys]),
    lists:usort([Scope || Scope <- Named, not lists:member(Scope, Met)]).

explored_case({Case, _Options}) -> Case;
explored_case(Case) -> Case.

end_rules(#state{rules = Rules} = State) ->
    #state{} = end_suite_rules(State),
    remove(Rules).

%%
%% Suites
%%

%% @private
-spec pre_init_per_suite(atom(), term(), #state{}) -> {term(), #state{}}.
pre_init_per_suite(Suite, Config, State0) ->
    State = again(Suite, end_suite_rules(State0)),
    #state{driver = Driver, suites = Suites} = State,
    say("~s runs over ~ts", [Suite, driver(Driver)]),
    {Config, State#state{suites = [{Suite, directory(Suite, Config)} | lists:keydelete(Suite, 1, Suites)]}}.

%% A suite, or a case, may have uninstalled or stopped gentcp, or cleared all rules.
again(_Suite, #state{driver = stock} = State) ->
    State;
again(Suite, #state{options = Options, rules = Rules, suite_rules = SuiteRules, groups = Groups} = State) ->
    case gentcp_install:is_installed() andalso gentcp:port_info(all) =/= [] of
        true ->
            ok;
        false ->
            remove(Rules ++ SuiteRules ++ lists:append([OfGroup || {_, OfGroup} <- Groups])),
            ok = install()
    end,
    State#state{rules = in_force(Rules, Options),
                suite_rules = in_force(SuiteRules, of_suite(Suite, Options)),
                groups = [{Group, in_force(OfGroup, of_group(Suite, Group, Options))}
                          || {Group, OfGroup} <- Groups]}.

in_force(Rules, Options) ->
    case [Rule || {Rule, _, _} <- gentcp_fault:list(), lists:member(Rule, Rules)] of
        [_ | _] -> Rules;
        [] -> add(all, Options)
    end.

of_suite(Suite, Options) ->
    lists:append([Of || {suite, S, Of} <- Options, S =:= Suite]).

of_group(Suite, Group, Options) ->
    lists:append([Of || {group, S, G, Of} <- Options, S =:= Suite, G =:= Group]).

driver(stock) ->
    "the stock driver";
driver(gentcp) ->
    case gentcp_install:is_installed() andalso gentcp:port_info() of
        #{os_pid := OsPid} when OsPid =/= undefined ->
            io_lib:format("gentcp (port program ~p, seed ~b)~ts",
                          [OsPid, gentcp_fault:seed(), under(gentcp_fault:list())]);
        _ ->
            "gentcp no longer: it was uninstalled or stopped"
    end.

under([]) -> "";
under(Rules) -> io_lib:format(", under ~0tp", [[{Selector, Faults} || {_, Selector, Faults} <- Rules]]).

%% Beside its data, where its object code is.
directory(Suite, Config) ->
    case code:which(Suite) of
        File when is_list(File) -> filename:dirname(File);
        _ -> filename:dirname(filename:absname(proplists:get_value(data_dir, Config)))
    end.

%% @private
-spec post_end_per_suite(atom(), term(), term(), #state{}) -> {term(), #state{}}.
post_end_per_suite(_Suite, _Config, Return, State) ->
    {Return, end_suite_rules(State)}.

%% A suite that fails to start has no end.
end_suite_rules(#state{suite_rules = Rules, groups = Groups} = State) ->
    remove(Rules ++ lists:append([OfGroup || {_, OfGroup} <- Groups])),
    State#state{suite_rules = [], groups = [], cases = []}.

%%
%% Groups
%%

%% @private
-spec pre_init_per_group(atom(), atom(), term(), #state{}) -> {term(), #state{}}.
pre_init_per_group(Suite, Group, Config, #state{options = Options, groups = Groups} = State) ->
    Rules = case State#state.driver of
                gentcp -> add(all, of_group(Suite, Group, Options));
                stock -> []
            end,
    {Config, State#state{groups = [{Group, Rules} | Groups]}}.

%% A group that is skipped or fails to start has no end.
%% @private
-spec post_init_per_group(atom(), atom(), term(), term(), #state{}) -> {term(), #state{}}.
post_init_per_group(_Suite, _Group, _Config, Return, State) when is_list(Return) ->
    {Return, State};
post_init_per_group(_Suite, _Group, _Config, Return, State) ->
    {Return, leave_group(State)}.

%% @private
-spec post_end_per_group(atom(), atom(), term(), term(), #state{}) -> {term(), #state{}}.
post_end_per_group(_Suite, _Group, _Config, Return, State) ->
    {Return, leave_group(State)}.

leave_group(#state{groups = [{_Group, Rules} | Groups]} = State) ->
    remove(Rules),
    State#state{groups = Groups};
leave_group(#state{groups = []} = State) ->
    State.

%%
%% Cases
%%

%% @private
-spec pre_init_per_testcase(atom(), atom(), term(), #state{}) -> {term(), #state{}}.
pre_init_per_testcase(Suite, Case, Config, #state{options = Options} = State) ->
    case lists:keyfind(only, 1, Options) of
        {only, Keys} ->
            case lists:member(key(Suite, Case, State), Keys) of
                true -> begin_case(Suite, Case, Config, State);
                false -> {{skip, "not among the cases of this run"}, State}
            end;
        false ->
            begin_case(Suite, Case, Config, State)
    end.

begin_case(_Suite, _Case, Config, #state{driver = stock} = State) ->
    {Config, State};
begin_case(Suite, Case, Config, State0) ->
    #state{options = Options, cases = Cases, seed = Seed} = State = again(Suite, State0),
    IsParallel = lists:member(parallel, proplists:get_value(tc_group_properties, Config, [])),
    IsParallel orelse (ok = gentcp_fault:seed(Seed)),
    Explored = explore(Suite, Case, Config, Options),
    Selector = case IsParallel of
                   true -> {ancestor, self()};
                   false -> all
               end,
    %% They go with the process of the case, if nothing else takes them away.
    _ = [add(Selector, self(), Of) || {testcase, S, C, Of} <- Options, S =:= Suite, C =:= Case],
    TC = #tc{suite = Suite, name = Case, pid = self(), is_parallel = IsParallel,
             sockets = gentcp:which_sockets(), explored = Explored},
    {Config, State#state{cases = [TC | Cases]}}.

%% @private
-spec post_end_per_testcase(atom(), atom(), term(), term(), #state{}) -> {term(), #state{}}.
post_end_per_testcase(Suite, Case, _Config, Return, State0) ->
    State = note(Suite, Case, ok, State0),
    %% The end of a case that was killed is in another process.
    case [TC || #tc{suite = S, name = C} = TC <- State#state.cases, S =:= Suite, C =:= Case] of
        [] -> {Return, State};
        Candidates ->
            TC = case lists:keyfind(self(), #tc.pid, Candidates) of
                     false -> hd(Candidates);
                     Mine -> Mine
                 end,
            end_case(TC, Return, State#state{cases = lists:delete(TC, State#state.cases)})
    end.

end_case(#tc{started = Started} = TC, Return, #state{leaked = Before} = State) ->
    Rules = gentcp_fault:list(),
    Leaked = case proplists:get_value(leaks, State#state.options, report) of
                 ignore -> [];
                 _ -> leaked(TC, erlang:monotonic_time(millisecond) + ?GRACE)
             end,
    ct:log("cth_gentcp: ~ts~nfaults: ~0tp~n~ts~ts",
           [driver(gentcp), [{Selector, Faults} || {_, Selector, Faults} <- Rules],
            injected([Entry || #{time := Time} = Entry <- gentcp_fault:log(), Time >= Started]),
            [io_lib:format("left open: ~0tp~n", [What]) || What <- Leaked]]),
    end_case_rules(TC),
    Return1 = case {Return, TC#tc.explored, Leaked, State#state.options} of
                  {{fail, _}, _, _, _} -> Return;
                  {{'EXIT', _}, _, _, _} -> Return;
                  {{failed, _}, _, _, _} -> Return;
                  {{error, _}, _, _, _} -> Return;
                  {_, {failed, Plan}, _, _} -> {fail, {explored, Plan}};
                  {_, ok, [_ | _], Options} ->
                      case proplists:get_value(leaks, Options, report) of
                          fail -> {fail, {left_open, Leaked}};
                          report -> Return
                      end;
                  _ -> Return
              end,
    {Return1, State#state{leaked = Before + length(Leaked)}}.

injected([]) ->
    "nothing was injected\n";
injected(Entries) ->
    Shown = lists:nthtail(max(0, length(Entries) - ?LOG_LINES), Entries),
    [io_lib:format("injected: ~b~n", [length(Entries)]) |
     [io_lib:format("  socket ~b ~0tp: ~0tp (rule ~p)~n", [Id, At, Fault, Rule])
      || #{id := {_, Id}, at := At, fault := Fault, rule := Rule} <- Shown]].

end_case_rules(#tc{pid = Pid}) ->
    lists:foreach(fun gentcp_fault:remove/1, gentcp_fault_server:held_by(Pid)).

%% What the process of the case itself owns closes with it.
leaked(#tc{pid = Pid, is_parallel = IsParallel, sockets = Before} = TC, Until) ->
    case [{S, Owner} || S <- gentcp:which_sockets() -- Before,
                        #{owner := Owner} <- [gentcp:info(S)],
                        Owner =/= Pid, Owner =/= self(),
                        not IsParallel orelse lists:member(Pid, gentcp_kin:of_process(Owner))] of
        [] ->
            [];
        Left ->
            case erlang:monotonic_time(millisecond) < Until of
                true ->
                    timer:sleep(?POLL_INTERVAL),
                    leaked(TC, Until);
                false ->
                    Left
            end
    end.

explore(Suite, Case, Config, Options) ->
    Wanted = [case C of {_, Of} -> Of; _ -> [] end
              || {explore, Cases} <- Options, C <- Cases, C =:= Case orelse
                     (is_tuple(C) andalso tuple_size(C) =:= 2 andalso element(1, C) =:= Case)],
    case Wanted of
        [] -> ok;
        [Of | _] -> explored(Case, gentcp_fault:explore(whole(Suite, Case, Config),
                                                        [progress(Case) | Of]))
    end.

%% The case with what is around it.
whole(Suite, Case, Config) ->
    fun() ->
        case optional(Suite, init_per_testcase, Case, Config, Config) of
            Config1 when is_list(Config1) ->
                try Suite:Case(Config1)
                after optional(Suite, end_per_testcase, Case, Config1, ok)
                end;
            {skip, Reason} ->
                {skip, Reason};
            Other ->
                erlang:error(Other)
        end
    end.

optional(Suite, Function, Case, Config, Default) ->
    case erlang:function_exported(Suite, Function, 2) of
        true -> Suite:Function(Case, Config);
        false -> Default
    end.

progress(Case) ->
    {progress, fun(Run, Of, Plan) when Run rem 25 =:= 1 ->
                       ct:print("exploring ~s: run ~b of ~b, ~0tp", [Case, Run, Of, Plan]);
                  (_, _, _) -> ok
               end}.

explored(_Case, {ok, Report}) ->
    ct:log("explored: ~ts", [gentcp_explore:format(Report)]),
    ok;
explored(Case, {failed, Plan, Report}) ->
    say("~s fails under ~0tp~n~ts", [Case, Plan, gentcp_explore:format(Report)]),
    {failed, Plan};
explored(Case, {error, Reason}) ->
    say("~s cannot be explored: ~0tp", [Case, Reason]),
    {failed, {error, Reason}}.

%%
%% Outcomes
%%

%% Failures and skips are reported behind post_end_per_testcase, so the last outcome counts.
%% @private
-spec on_tc_fail(atom(), term(), term(), #state{}) -> #state{}.
on_tc_fail(Suite, Case, Reason, State) ->
    note(Suite, Case, {failed, Reason}, State).

%% @private
-spec on_tc_skip(atom(), term(), term(), #state{}) -> #state{}.
on_tc_skip(Suite, Case, Reason, State) ->
    note(Suite, Case, {skipped, Reason}, State).

note(Suite, Case, Outcome, #state{outcomes = Outcomes} = State) ->
    Key = key(Suite, Case, State),
    State#state{outcomes = [{Key, Outcome} | lists:keydelete(Key, 1, Outcomes)]}.

key(Suite, {Case, Group}, #state{groups = [{Group, _} | _]} = State) ->
    key(Suite, Case, State);
key(Suite, {Case, Group}, #state{groups = Groups}) ->
    {Suite, lists:reverse([Group | [G || {G, _} <- Groups]]), Case};
key(Suite, Case, #state{groups = Groups}) ->
    {Suite, lists:reverse([G || {G, _} <- Groups]), Case}.

%%
%% Rules
%%

add(Selector, Options) ->
    add(Selector, none, Options).

add(Selector, Holder, Options) ->
    Faults = lists:flatmap(fun({faults, F}) when is_list(F) -> F;
                              ({faults, F}) -> [F];
                              ({profile, Name}) -> [{profile, Name}];
                              (_) -> []
                           end, Options),
    case Faults of
        [] ->
            [];
        _ ->
            case gentcp_fault_server:add(Selector, Faults, Holder) of
                {ok, Rule} -> [Rule];
                {error, Reason} -> fail(Reason)
            end
    end.

remove(Rules) ->
    lists:foreach(fun gentcp_fault:remove/1, Rules).

say(Format, Arguments) ->
    ct:log("cth_gentcp: " ++ Format, Arguments),
    io:format(user, "cth_gentcp: " ++ Format ++ "~n", Arguments).
