%% @doc Runs the suites of a finished Common Test run again on other drivers, or under
%% profiles, and prints what came of it side by side.
%%
%% Common Test cannot run a suite twice within one run. So each further column is a run
%% in a node of its own, a `peer' on pipes, which needs neither a name nor a network, with
%% the code path of this one. The hook of that run skips the cases that were not
%% part of this one, and writes the outcomes into a file.
%% @private
-module(cth_gentcp_columns).

-export([run/3, write/2, serving/0]).

-export_type([key/0, outcome/0]).

-type key() :: {Suite :: atom(), Groups :: [atom()], Case :: atom()}.
-type outcome() :: ok | {failed | skipped, Reason :: term()}.

%% How long a node may take to start, in milliseconds.
-define(BOOT_TIMEOUT, 60_000).

-type column() :: {Title :: atom(), Options :: [cth_gentcp:option()]}.

%% @doc Runs what the options `compare' and `matrix' ask for, and prints it.
-spec run([{atom(), file:filename()}], [{key(), outcome()}], [cth_gentcp:option()]) -> ok.
run([], _Outcomes, _Options) ->
    ok;
run(Suites, Outcomes, Options) ->
    Own = proplists:get_value(driver, Options, gentcp),
    Base = [O || O <- Options, not lists:member(element(1, O),
                                                [compare, matrix, explore, driver, leaks])],
    case lists:keyfind(compare, 1, Options) of
        {compare, Drivers} ->
            Others = [{D, [{driver, D} | Base]} || D <- lists:usort(Drivers), D =/= Own],
            print(compare, [{Own, Outcomes} | columns(Others, Suites, Outcomes, Options)]);
        false ->
            ok
    end,
    case lists:keyfind(matrix, 1, Options) of
        {matrix, Profiles} ->
            Under = [{P, [{profile, P} | Base]} || P <- Profiles],
            print(matrix, [{Own, Outcomes} | columns(Under, Suites, Outcomes, Options)]);
        false ->
            ok
    end.

%% @doc Which driver serves `gen_tcp' in this node.
-spec serving() -> stock | gentcp | {error, term()}.
serving() ->
    case gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]) of
        {ok, L} ->
            ok = gen_tcp:close(L),
            case L of
                {'$inet', gentcp, _} -> gentcp;
                _ -> stock
            end;
        {error, _} = Error ->
            Error
    end.

%%
%% Columns
%%

-spec columns([column()], [{atom(), file:filename()}], [{key(), outcome()}],
              [cth_gentcp:option()]) -> [{atom(), [{key(), outcome()}]}].
columns(Columns, Suites, Outcomes, Options) ->
    Only = {only, [Key || {Key, _} <- Outcomes]},
    [{Title, column(Title, [Only | HookOptions], Suites, Options)}
     || {Title, HookOptions} <- Columns].

%% The suites may use the same ports and files, so one column after the other.
column(Title, HookOptions, Suites, Options) ->
    io:format(user, "cth_gentcp: running ~s again: ~s~n",
              [lists:join(" ", [atom_to_list(Suite) || {Suite, _} <- Suites]), Title]),
    Logs = log_dir(Title),
    File = filename:join(Logs, "outcomes"),
    {ok, Peer, _Node} =
        peer:start_link(#{connection => standard_io, wait_boot => ?BOOT_TIMEOUT,
                          exec => filename:join([code:root_dir(), "bin", "erl"]),
                          args => code_path() ++ proplists:get_value(erl_args, Options, [])}),
    try
        lists:foreach(fun({Key, Value}) ->
            ok = peer:call(Peer, application, set_env, [gentcp, Key, Value, [{persistent, true}]])
        end, [Setting || {Key, _} = Setting <- application:get_all_env(gentcp),
                         Key =/= included_applications]),
        Run = [{suite, [filename:join(Dir, Suite) || {Suite, Dir} <- Suites]},
               {auto_compile, false}, {logdir, Logs},
               {ct_hooks, [{cth_gentcp, [{outcomes, File} | HookOptions]}]}
               | proplists:get_value(run_options, Options, [])],
        case peer:call(Peer, ct, run_test, [Run], infinity) of
            {error, Reason} ->
                io:format(user, "cth_gentcp: the run of ~s failed: ~tp~n", [Title, Reason]);
            _Counts ->
                ok
        end
    after
        peer:stop(Peer)
    end,
    read(File).

code_path() ->
    lists:append([["-pa", Dir] || Dir <- lists:reverse(code:get_path()), filelib:is_dir(Dir)]).

%% Beside the logs of this run, which Common Test keeps in a directory for each.
log_dir(Title) ->
    {ok, Here} = file:get_cwd(),
    Dir = filename:join(Here, lists:concat(["cth_gentcp.", Title])),
    ok = filelib:ensure_path(Dir),
    Dir.

%% @doc Writes the outcomes of a run. Reasons can hold pids and funs, which cannot be
%% read back, so they are written as text.
-spec write(file:filename(), [{key(), outcome()}]) -> ok.
write(File, Outcomes) ->
    Lines = [io_lib:format("~0tp.~n", [{Key, readable(Outcome)}]) || {Key, Outcome} <- Outcomes],
    ok = file:write_file(File, unicode:characters_to_binary(Lines)).

readable({Word, Reason}) -> {Word, lists:flatten(io_lib:format("~0tP", [Reason, 40]))};
readable(ok) -> ok.

read(File) ->
    case file:consult(File) of
        {ok, Outcomes} -> Outcomes;
        {error, _} -> []
    end.

%%
%% The table
%%

print(Kind, Columns) ->
    Keys = [Key || {_, Outcomes} <- [hd(Columns)], {Key, _} <- Outcomes],
    Rows = [{Key, [word(lists:keyfind(Key, 1, Outcomes)) || {_, Outcomes} <- Columns]}
            || {_, _, Case} = Key <- Keys, Case =/= init_per_suite, Case =/= end_per_suite],
    Differ = [Row || {_, [First | Rest]} = Row <- Rows, lists:any(fun(W) -> W =/= First end, Rest)],
    Shown = case Kind of compare -> Differ; matrix -> Rows end,
    Width = lists:max([4 | [length(name(Key)) || {Key, _} <- Shown]]) + 2,
    Line = fun(Name, Words) ->
               [string:pad(Name, Width), [string:pad(Word, 16) || Word <- Words], $\n]
           end,
    Table = [[Line("case", [atom_to_list(Title) || {Title, _} <- Columns]) || Shown =/= []],
             [Line(name(Key), Words) || {Key, Words} <- Shown],
             io_lib:format("~b cases, ~b differ~n", [length(Rows), length(Differ)]),
             [[name(Key), " on ", atom_to_list(Title), ": ", reason(Reason), $\n]
              || {Key, _} <- Differ, {Title, Outcomes} <- Columns,
                 {_, {failed, Reason}} <- [lists:keyfind(Key, 1, Outcomes)]]],
    io:format(user, "~ncth_gentcp: ~s~n~ts~n", [Kind, Table]),
    ok = file:write_file(lists:concat(["cth_gentcp.", Kind, ".txt"]),
                         unicode:characters_to_binary(Table)).

name({Suite, Groups, Case}) ->
    lists:concat(lists:join(" ", [Suite | Groups] ++ [Case])).

word({_, ok}) -> "ok";
word({_, {Word, _}}) -> atom_to_list(Word);
word(false) -> "missing".

reason(Text) when is_list(Text) ->
    try unicode:characters_to_list(Text) of
        List when is_list(List) -> List;
        _ -> io_lib:format("~0tP", [Text, 40])
    catch
        error:badarg -> io_lib:format("~0tP", [Text, 40])
    end;
reason(Term) ->
    io_lib:format("~0tP", [Term, 40]).
