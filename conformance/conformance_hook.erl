%% @doc A Common Test hook that notes the outcome of every case in a file.
-module(conformance_hook).

-export([init/2, post_end_per_testcase/5, on_tc_fail/4, on_tc_skip/4]).

-spec init(term(), term()) -> {ok, term()}.
init(_Id, {_File, _Suite, _Group} = State) ->
    {ok, State}.

-spec post_end_per_testcase(atom(), atom(), term(), term(), term()) ->
          {term(), term()}.
post_end_per_testcase(_Suite, Case, _Config, Return, State) ->
    note(Case, ok, State),
    {Return, State}.

%% Failures and skips are told after post_end_per_testcase.
-spec on_tc_fail(atom(), term(), term(), term()) -> term().
on_tc_fail(_Suite, Case, Reason, State) ->
    note(Case, {failed, Reason}, State),
    State.

-spec on_tc_skip(atom(), term(), term(), term()) -> term().
on_tc_skip(_Suite, Case, Reason, State) ->
    note(Case, {skipped, Reason}, State),
    State.

note({Case, _InGroup}, Outcome, State) ->
    note(Case, Outcome, State);
note(Case, Outcome, {File, Suite, Group}) ->
    %% A reason can hold pids and funs, which file:consult cannot read back.
    Readable = case Outcome of
                   {Word, Reason} -> {Word, lists:flatten(io_lib:format("~0tp", [Reason]))};
                   ok -> ok
               end,
    Line = io_lib:format("~0tp.~n", [{Suite, Group, Case, Readable}]),
    ok = file:write_file(File, unicode:characters_to_binary(Line), [append]).
