%% @doc The hook for Common Test: it runs a small suite with `ct_run', and reads what that says.
-module(cth_gentcp_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0]).
-export([without_options/1, uninstalls/1, faults_of_the_run/1, faults_of_scopes/1,
         faults_beside_others/1, stock/1, leaks/1, cannot_install/1, bad_options/1, names_of_nothing/1, undone/1,
         in_a_suite/1, seed_and_log/1, compare/1, matrix/1, explore/1, rebar3/1,
         echo_suite_of_otp/1]).

-define(SAMPLE, "erlang_test/cth_gentcp_SUITE_data/sample_SUITE.erl").

all() ->
    [without_options, uninstalls, faults_of_the_run, faults_of_scopes, faults_beside_others, stock,
     leaks, cannot_install, bad_options, names_of_nothing, undone, in_a_suite, seed_and_log, compare, matrix, explore,
     rebar3, echo_suite_of_otp].

without_options(Config) ->
    Run = ct_runs:run(Config, ?SAMPLE, ["-ct_hooks", "cth_gentcp"]),
    #{ok := 7, failed := 0, skipped := 1, output := Output} = Run,
    says(Output, "sample_SUITE runs over gentcp \\(port program \\d+, seed \\d+\\)"),
    says(Output, "1 sockets were left open"),
    says(ct_runs:logs(Run, leaves_a_listener), "left open: \\{\\{'\\$inet',gentcp,"),
    says(ct_runs:logs(Run, says_its_driver), "gentcp"),
    nothing_says(ct_runs:logs(Run, echoes), "left open").

%% What was there before is there again.
uninstalls(Config) ->
    Dir = proplists:get_value(priv_dir, Config),
    {ok, _} = compile:file(ct_runs:find(?SAMPLE), [{outdir, Dir}]),
    Code = "ct:run_test([{dir, \"" ++ Dir ++ "\"}, {suite, sample_SUITE}, {auto_compile, false}, "
           "{logdir, \"" ++ Dir ++ "\"}, {ct_hooks, [cth_gentcp]}]), "
           "{ok, L} = gen_tcp:listen(0, []), "
           "io:format(\"after: ~p~n\", [{is_port(L), gentcp_fault:list()}]), halt().",
    {0, Output} = ct_runs:command(filename:join([code:root_dir(), "bin", "erl"]),
                                  ["-noshell", "-pa", ct_runs:gentcp(), "-eval", Code], []),
    says(Output, "after: \\{true,\\[\\]\\}").

faults_of_the_run(Config) ->
    #{ok := 6, failed := 1} = Run =
        ct_runs:run(Config, ?SAMPLE, ["-ct_hooks", "cth_gentcp", "[{profile, byte_by_byte}]"]),
    says(ct_runs:logs(Run, echoes), "\\{slice,1\\}"),
    #{ok := 2, failed := 5} =
        ct_runs:run(Config, ?SAMPLE, ["-ct_hooks", "cth_gentcp",
                                      "[{faults, {connect, {error, econnrefused}}}]"]).

%% In all: echoes, and connects in both groups, connects_alone, connects_beside.
faults_of_scopes(Config) ->
    Refused = "[{faults, {connect, {error, econnrefused}}}]",
    [#{failed := Failed} = ct_runs:run(Config, ?SAMPLE, ["-ct_hooks", "cth_gentcp", "[" ++ Scope ++ "]"])
     || {Scope, Failed} <- [{"{suite, sample_SUITE, " ++ Refused ++ "}", 5},
                            {"{suite, other_SUITE, " ++ Refused ++ "}", 0},
                            {"{group, sample_SUITE, one_by_one, " ++ Refused ++ "}", 2},
                            {"{testcase, sample_SUITE, connects_alone, " ++ Refused ++ "}", 1}]].

%% Only the case that is meant, whatever runs beside it.
faults_beside_others(Config) ->
    #{failed := 1} = Run =
        ct_runs:run(Config, ?SAMPLE, ["-ct_hooks", "cth_gentcp",
                                      "[{testcase, sample_SUITE, connects_beside, "
                                      "[{faults, {connect, {error, econnrefused}}}]}]"]),
    says(ct_runs:logs(Run, connects_beside), "econnrefused").

stock(Config) ->
    #{ok := 7, failed := 0, output := Output} =
        ct_runs:run(Config, ?SAMPLE, ["-ct_hooks", "cth_gentcp", "[{driver, stock}]"]),
    says(Output, "sample_SUITE runs over the stock driver").

leaks(Config) ->
    #{ok := 6, failed := 1, output := Failing} =
        ct_runs:run(Config, ?SAMPLE, ["-ct_hooks", "cth_gentcp", "[{leaks, fail}]"]),
    says(Failing, "left_open"),
    #{ok := 7, output := Silent} =
        ct_runs:run(Config, ?SAMPLE, ["-ct_hooks", "cth_gentcp", "[{leaks, ignore}]"]),
    nothing_says(Silent, "left open").

%% No run at all, and a reason.
cannot_install(Config) ->
    #{ok := 0, status := Status, output := Output} =
        ct_runs:run(Config, ?SAMPLE, ["-ct_hooks", "cth_gentcp",
                                      "-gentcp", "port_program", "\"/no/such/program\""]),
    ?assertNotEqual(0, Status),
    says(Output, "cth_gentcp: \\{cannot_install,enoent\\}").

bad_options(Config) ->
    [begin
         #{ok := 0, status := Status, output := Output} =
             ct_runs:run(Config, ?SAMPLE, ["-ct_hooks", "cth_gentcp", Options]),
         ?assertNotEqual({Options, 0}, {Options, Status}),
         says(Output, "cth_gentcp: \\{" ++ Error)
     end || {Options, Error} <- [{"[{colour, red}]", "bad_option,\\{colour,red\\}"},
                                 {"[{profile, nobody}]", "unknown_profile,nobody"},
                                 {"[{faults, {slice, 0}}]", "bad_fault,\\{slice,0\\}"},
                                 {"[{testcase, a_SUITE, b, [{faults, dance}]}]", "bad_fault,dance"},
                                 {"[{compare, [stock, other]}]", "bad_option"},
                                 {"[{explore, [{echoes, [{max_run, 1}]}]}]",
                                  "echoes,\\{bad_option,\\{max_run,1\\}"},
                                 {"[{run_options, none}]", "bad_option,\\{run_options,none\\}"}]].

%% A misspelt name is told, one that is right is not.
names_of_nothing(Config) ->
    Faults = ", [{faults, {latency, 1}}]}",
    #{ok := 7, output := Output} =
        ct_runs:run(Config, ?SAMPLE,
                    ["-ct_hooks", "cth_gentcp",
                     "[{suite, sampel_SUITE" ++ Faults ++ ", {suite, sample_SUITE" ++ Faults ++
                     ", {suite, sample_SUITE" ++ Faults ++
                     ", {group, sample_SUITE, beneath" ++ Faults ++ ", {group, sample_SUITE, beside" ++ Faults ++
                     ", {testcase, sample_SUITE, ecoes" ++ Faults ++ ", {testcase, sample_SUITE, connects" ++ Faults ++
                     ", {explore, [ecoes, {skipped, []}]}]"]),
    [says(Output, "nothing ran that is \\{" ++ Name ++ "\\}\n")
     || Name <- ["suite,sampel_SUITE", "group,sample_SUITE,beneath", "testcase,sample_SUITE,ecoes",
                 "explore,ecoes", "explore,skipped"]],
    [nothing_says(Output, "nothing ran that is \\{" ++ Name)
     || Name <- ["suite,sample_SUITE", "group,sample_SUITE,beside", "testcase,sample_SUITE,connects"]].

%% A case that uninstalls or stops gentcp, or clears the rules, does so for itself alone.
undone(Config) ->
    Refused = "[{faults, {connect, {error, econnrefused}}}]",
    [begin
         #{ok := 5, failed := 0, output := Output} =
             ct_runs:run(Config, "erlang_test/cth_gentcp_SUITE_data/undoing/undoing_SUITE.erl",
                         ["-ct_hooks", "cth_gentcp", "[{seed, 42}, " ++ Faults ++ "]"]),
         nothing_says(Output, "CTH call failed")
     end || Faults <- ["{faults, {connect, {error, econnrefused}}}",
                       "{suite, undoing_SUITE, " ++ Refused ++ "}",
                       "{group, undoing_SUITE, all, " ++ Refused ++ "}"]].

%% Named by the suite itself, for itself alone.
in_a_suite(Config) ->
    #{ok := 1, failed := 1} = ct_runs:run(Config, "erlang_test/cth_gentcp_SUITE_data/own/own_SUITE.erl", []).

%% The same seed, the same faults; and the log of a case has all that is needed.
seed_and_log(Config) ->
    Run = ct_runs:run(Config, ?SAMPLE, ["-ct_hooks", "cth_gentcp",
                                        "[{seed, 42}, {faults, {recv, {delay, 1}}}]"]),
    Log = ct_runs:logs(Run, echoes),
    says(Log, "seed 42"),
    says(Log, "faults: \\[\\{all,\\[\\{recv,\\{delay,1\\}\\}\\]\\}\\]"),
    says(Log, "injected: 1\\n"),
    says(Log, "socket \\d+ recv: \\{recv,\\{delay,1\\}\\}").

compare(Config) ->
    #{output := Output} = ct_runs:run(Config, ?SAMPLE, ["-ct_hooks", "cth_gentcp",
                                                        "[{compare, [stock, gentcp]}]"]),
    says(Output, "sample_SUITE runs over the stock driver"),
    says(Output, "cth_gentcp: compare\\n8 cases, 0 differ"),
    #{output := Differs} =
        ct_runs:run(Config, ?SAMPLE, ["-case", "echoes", "-ct_hooks", "cth_gentcp",
                                      "[{compare, [stock, gentcp]}, {faults, {slice, 1}}]"]),
    says(Differs, "sample_SUITE echoes +failed +ok +\\n1 cases, 1 differ").

matrix(Config) ->
    #{output := Output, dir := Dir} =
        ct_runs:run(Config, ?SAMPLE, ["-ct_hooks", "cth_gentcp",
                                      "[{matrix, [byte_by_byte, refused]}]"]),
    says(Output, "case +gentcp +byte_by_byte +refused"),
    says(Output, "sample_SUITE echoes +ok +failed +failed"),
    says(Output, "sample_SUITE says_its_driver +ok +ok +ok"),
    says(Output, "sample_SUITE skips +skipped +skipped +skipped"),
    says(Output, "sample_SUITE beside connects_beside +ok +ok +failed"),
    [_] = filelib:wildcard("logs/**/cth_gentcp.matrix.txt", Dir).

explore(Config) ->
    #{ok := 0, failed := 1, output := Output} =
        ct_runs:run(Config, "examples/payments/payments_SUITE.erl",
                    ["-case", "pays_once", "-ct_hooks", "cth_gentcp",
                     "[{explore, [{pays_once, [{calls, [recv]}, {cuts, []}]}]}]"]),
    says(Output, "pays_once fails under \\[\\{2,\\{nth,1,\\{recv,\\{error,econnreset\\}\\}\\}\\}\\]"),
    says(Output, "exploring pays_once: run 1 of \\d+"),
    #{ok := 1, failed := 0} =
        ct_runs:run(Config, "examples/payments/payments_SUITE.erl",
                    ["-case", "pays_once_by_name", "-ct_hooks", "cth_gentcp",
                     "[{explore, [{pays_once_by_name, [{calls, [recv]}, {cuts, []}]}]}]"]).

%% By the options of rebar.config.
rebar3(Config) ->
    case os:find_executable("rebar3") of
        false ->
            {skip, "no rebar3"};
        Rebar3 ->
            Dir = filename:join(proplists:get_value(priv_dir, Config), "project"),
            ok = filelib:ensure_path(filename:join(Dir, "test")),
            ok = filelib:ensure_path(filename:join(Dir, "src")),
            {ok, _} = file:copy(ct_runs:find(?SAMPLE), filename:join(Dir, "test/sample_SUITE.erl")),
            ok = file:write_file(filename:join(Dir, "src/project.app.src"),
                                 "{application, project, [{vsn, \"1\"}]}."),
            ok = file:write_file(filename:join(Dir, "rebar.config"),
                                 "{ct_opts, [{ct_hooks, [{cth_gentcp, [{matrix, [byte_by_byte]}]}]}]}."),
            Libs = filename:dirname(filename:dirname(ct_runs:gentcp())),
            {0, Output} = ct_runs:command(Rebar3, ["ct"], [{cd, Dir}, {env, [{"ERL_LIBS", Libs},
                                                                             {"TERM", "dumb"}]}]),
            ct:log("~ts", [Output]),
            says(Output, "sample_SUITE runs over gentcp"),
            says(Output, "sample_SUITE echoes +ok +failed")
    end.

%% OTP's own, of the release at hand, green where a stream is a stream. The cases that echo
%% hundreds of kilobytes would take minutes octet by octet.
echo_suite_of_otp(Config) ->
    Release = erlang:system_info(otp_release),
    Fetch = ct_runs:find("scripts/fetch-otp-tests"),
    Otp = filename:join([filename:dirname(filename:dirname(Fetch)), "_build", "conformance", Release,
                         "otp"]),
    case ct_runs:command(Fetch, [Otp], []) of
        {0, _} ->
            Sources = filename:join([Otp, "kernel", "test"]),
            Dir = filename:join(proplists:get_value(priv_dir, Config), "otp"),
            ok = filelib:ensure_path(Dir),
            [{ok, _} = compile:file(File, [{outdir, Dir}, {i, Sources}, nowarn_deprecated_function])
             || Name <- ["kernel/test/gen_tcp_echo_SUITE.erl", "kernel/test/kernel_test_*.erl",
                         "common_test/test_server/ts_install_cth.erl"],
                File <- filelib:wildcard(filename:join(Otp, Name))],
            Large = ["active_echo", "passive_echo", "active_once_echo"],
            Small = ["slow_active_echo", "slow_passive_echo", "limit_active_echo",
                     "limit_passive_echo", "large_limit_active_echo", "large_limit_passive_echo"],
            lists:foreach(fun({Options, Cases}) ->
                {_, Output} =
                    ct_runs:ct_run(["-pa", ct_runs:gentcp(), Dir, "-dir", Dir,
                                    "-suite", "gen_tcp_echo_SUITE", "-logdir", Dir,
                                    "-ct_hooks", "cth_gentcp", Options, "-case" | Cases], []),
                ct:log("~ts", [Output]),
                says(Output, "gen_tcp_echo_SUITE runs over gentcp"),
                says(Output, io_lib:format("TEST COMPLETE, ~b ok, 0 failed", [length(Cases)]))
            end, [{"[{profile, byte_by_byte}]", Small},
                  {"[{faults, {slice, 1, 200}}]", Large},
                  {"[{faults, {latency, 2, 1}}]", Small ++ Large}]);
        {_, Why} ->
            {skip, Why}
    end.

says(Text, Pattern) ->
    ?assertMatch({match, _, _}, {re_run(Text, Pattern), Pattern, Text}).

nothing_says(Text, Pattern) ->
    ?assertMatch({nomatch, _, _}, {re_run(Text, Pattern), Pattern, Text}).

re_run(Text, Pattern) ->
    re:run(Text, Pattern, [unicode, {capture, none}]).
