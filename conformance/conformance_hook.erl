%% @doc A Common Test hook that notes the outcome of every case in a file,
%% under the path of groups that the case ran in.
-module(conformance_hook).

-export([init/2, pre_init_per_group/4, post_init_per_group/5, post_end_per_group/5,
         post_end_per_testcase/5, on_tc_fail/4, on_tc_skip/4]).

-record(state, {file :: file:filename(), suite :: atom(), groups = [] :: [atom()]}).

-spec init(term(), {file:filename(), atom()}) -> {ok, #state{}}.
init(_Id, {File, Suite}) ->
    {ok, #state{file = File, suite = Suite}}.

-spec pre_init_per_group(atom(), atom(), term(), #state{}) -> {term(), #state{}}.
pre_init_per_group(_Suite, Group, Config, State) ->
    {Config, State#state{groups = [Group | State#state.groups]}}.

%% A group that is skipped or fails to start has no end.
-spec post_init_per_group(atom(), atom(), term(), term(), #state{}) -> {term(), #state{}}.
post_init_per_group(_Suite, _Group, _Config, Return, State) when is_list(Return) ->
    {Return, State};
post_init_per_group(_Suite, _Group, _Config, Return, State) ->
    {Return, left(State)}.

-spec post_end_per_group(atom(), atom(), term(), term(), #state{}) -> {term(), #state{}}.
post_end_per_group(_Suite, _Group, _Config, Return, State) ->
    {Return, left(State)}.

-spec post_end_per_testcase(atom(), atom(), term(), term(), #state{}) -> {term(), #state{}}.
post_end_per_testcase(_Suite, Case, _Config, Return, State) ->
    note(Case, ok, State),
    {Return, State}.

%% Failures and skips are told after post_end_per_testcase.
-spec on_tc_fail(atom(), term(), term(), #state{}) -> #state{}.
on_tc_fail(_Suite, Case, Reason, State) ->
    note(Case, {failed, Reason}, State).

-spec on_tc_skip(atom(), term(), term(), #state{}) -> #state{}.
on_tc_skip(_Suite, Case, Reason, State) ->
    note(Case, {skipped, Reason}, State).

left(#state{groups = [_ | Groups]} = State) ->
    State#state{groups = Groups}.

note({Case, Group}, Outcome, #state{groups = [Group | _]} = State) ->
    note(Case, Outcome, State);
note({Case, Group}, Outcome, #state{groups = Groups} = State) ->
    note(Case, Outcome, State#state{groups = [Group | Groups]}),
    State;
note(Case, Outcome, #state{file = File, suite = Suite, groups = Groups} = State) ->
    %% A reason can hold pids and funs, which file:consult cannot read back.
    Readable = case Outcome of
                   {Word, Reason} -> {Word, lists:flatten(io_lib:format("~0tp", [Reason]))};
                   ok -> ok
               end,
    Line = io_lib:format("~0tp.~n", [{Suite, lists:reverse(Groups), Case, Readable}]),
    ok = file:write_file(File, unicode:characters_to_binary(Line), [append]),
    State.
