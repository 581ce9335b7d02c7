%% @doc Runs suites with `ct_run' in an OS process of their own, and tells what came of it.
-module(ct_runs).

-export([ct_run/2, run/3, run/4, command/3, find/1, gentcp/0, logs/2]).

-export_type([result/0]).

-type result() :: #{ok := non_neg_integer(), failed := non_neg_integer(),
                    skipped := non_neg_integer(), status := integer(), output := string(),
                    dir := file:filename()}.

%% How long a run may take, in milliseconds.
-define(TIMEOUT, 300_000).

%% @equiv run(Config, Source, Arguments, [])
-spec run(list(), file:filename(), [string()]) -> result().
run(Config, Source, Arguments) ->
    run(Config, Source, Arguments, []).

%% Compiles all modules beside a suite, a file of the repository, and runs it.
-spec run(list(), file:filename(), [string()], [{string(), string()}]) -> result().
run(Config, Source, Arguments, Env) ->
    Dir = filename:join(proplists:get_value(priv_dir, Config),
                        "run_" ++ integer_to_list(erlang:unique_integer([positive]))),
    ok = filelib:ensure_path(filename:join(Dir, "logs")),
    File = find(Source),
    [{ok, _} = compile:file(Module, [debug_info, {outdir, Dir}])
     || Module <- filelib:wildcard(filename:join(filename:dirname(File), "*.erl"))],
    {Status, Output} =
        ct_run(["-pa", gentcp(), "-dir", Dir,
                "-suite", filename:basename(File, ".erl"), "-logdir", filename:join(Dir, "logs")
                 | Arguments], [{cd, Dir}, {env, Env}]),
    ct:log("~ts", [Output]),
    Counts = case re:run(Output, "TEST COMPLETE, (\\d+) ok, (\\d+) failed(?:, (\\d+) skipped)?",
                         [{capture, all_but_first, list}]) of
                 {match, [Ok, Failed]} -> {Ok, Failed, "0"};
                 {match, [Ok, Failed, Skipped]} -> {Ok, Failed, Skipped};
                 nomatch -> {"0", "0", "0"}
             end,
    #{ok => list_to_integer(element(1, Counts)), failed => list_to_integer(element(2, Counts)),
      skipped => list_to_integer(element(3, Counts)), status => Status, output => Output, dir => Dir}.

%% Runs ct_run. Without a name it takes one that is the same for all nodes that it starts.
-spec ct_run([string()], list()) -> {integer(), string()}.
ct_run(Arguments, Options) ->
    Name = lists:concat([ct_runs_, os:getpid(), "_", erlang:unique_integer([positive])]),
    command(filename:join([code:root_dir(), "bin", "ct_run"]),
            ["-noshell", "-sname", Name, "-no_auto_compile" | Arguments], Options).

%% The exit status and the output of a command.
-spec command(file:filename(), [string()], list()) -> {integer(), string()}.
command(Executable, Arguments, Options) ->
    Port = open_port({spawn_executable, Executable},
                     [{args, Arguments}, exit_status, stderr_to_stdout, binary, in | Options]),
    output(Port, []).

output(Port, Acc) ->
    receive
        {Port, {data, Data}} -> output(Port, [Acc, Data]);
        {Port, {exit_status, Status}} -> {Status, unicode:characters_to_list(iolist_to_binary(Acc))}
    after ?TIMEOUT ->
        {os_pid, OsPid} = erlang:port_info(Port, os_pid),
        _ = os:cmd("kill -KILL " ++ integer_to_list(OsPid)),
        error({still_running, iolist_to_binary(Acc)})
    end.

%% The ebin of the application.
-spec gentcp() -> file:filename().
gentcp() ->
    filename:absname(filename:dirname(code:which(gentcp))).

%% A file of the repository, which is above the place where the suites run.
-spec find(file:filename()) -> file:filename().
find(Name) ->
    find(Name, gentcp()).

find(Name, Dir) ->
    File = filename:join(Dir, Name),
    case filelib:is_regular(File) of
        true -> File;
        false when Dir =/= "/" -> find(Name, filename:dirname(Dir))
    end.

%% The logs of a case.
-spec logs(result(), atom()) -> string().
logs(#{dir := Dir}, Case) ->
    %% In parallel groups a number comes behind the name.
    Name = "*." ++ string:lowercase(atom_to_list(Case)) ++ "{,.*}.html",
    lists:append([begin {ok, Text} = file:read_file(filename:join(Dir, File)),
                        unicode:characters_to_list(Text) end
                  || File <- filelib:wildcard("logs/**/" ++ Name, Dir)]).
