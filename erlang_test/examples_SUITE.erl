%% @doc The programs of `examples/': each has a mistake that its own suite does not find, and
%% that the faults find.
-module(examples_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0]).
-export([lines/1, pool/1, payments/1, payments_explored/1, eunit/1, exunit/1]).

all() ->
    [lines, pool, payments, payments_explored, eunit, exunit].

lines(Config) ->
    Suite = "examples/lines/line_server_SUITE.erl",
    #{ok := 2, failed := 0} = ct_runs:run(Config, Suite, []),
    #{ok := 2, failed := 0} = ct_runs:run(Config, Suite, ["-ct_hooks", "cth_gentcp"]),
    #{ok := 0, failed := 2} =
        ct_runs:run(Config, Suite, ["-ct_hooks", "cth_gentcp", "[{profile, byte_by_byte}]"]).

pool(Config) ->
    Suite = "examples/pool/pool_SUITE.erl",
    #{ok := 2, failed := 0} = ct_runs:run(Config, Suite, []),
    Never = ["-ct_hooks", "cth_gentcp", "[{faults, {connect, never}}]"],
    #{ok := 0, failed := 1} = ct_runs:run(Config, Suite, ["-case", "as_it_is" | Never]),
    #{ok := 1, failed := 0} = ct_runs:run(Config, Suite, ["-case", "with_a_timeout" | Never]).

payments(Config) ->
    Suite = "examples/payments/payments_SUITE.erl",
    #{ok := 2, failed := 0} = ct_runs:run(Config, Suite, []),
    #{ok := 2, failed := 0} = ct_runs:run(Config, Suite, ["-ct_hooks", "cth_gentcp"]),
    [#{ok := Ok, failed := Failed} =
         ct_runs:run(Config, Suite, ["-case", atom_to_list(Case), "-ct_hooks", "cth_gentcp",
                                     "[{explore, [" ++ atom_to_list(Case) ++ "]}]"])
     || {Case, Ok, Failed} <- [{pays_once, 0, 1}, {pays_once_by_name, 1, 0}]].

%% As doc/FAULTS.md shows it.
payments_explored(Config) ->
    Dir = proplists:get_value(priv_dir, Config),
    [begin
         File = ct_runs:find("examples/payments/" ++ Name),
         {ok, Module, Code} = compile:file(File, [binary]),
         {module, Module} = code:load_binary(Module, filename:join(Dir, Name), Code)
     end || Name <- ["payments.erl", "payments_SUITE.erl"]],
    {ok, _} = application:ensure_all_started(gentcp),
    ok = gentcp:install(),
    try
        Pay = fun() -> payments_SUITE:scenario(again) end,
        {failed, Plan, _Report} = gentcp_fault:explore(Pay, []),
        [{2, {nth, 1, {recv, {error, econnreset}}}}] = Plan,
        {failed, {not_allowed, {raised, error, {paid, Times}}}} = gentcp_fault:replay(Pay, Plan),
        2 = Times,
        {ok, #{planned := Runs, runs := Runs}} =
            gentcp_fault:explore(fun() -> payments_SUITE:scenario(once) end, [])
    after
        ok = gentcp:uninstall(),
        ok = application:stop(gentcp)
    end.

eunit(Config) ->
    Dir = proplists:get_value(priv_dir, Config),
    {ok, _} = compile:file(ct_runs:find("examples/eunit/faults_tests.erl"), [{outdir, Dir}]),
    {0, Output} = ct_runs:command(filename:join([code:root_dir(), "bin", "erl"]),
                                  ["-noshell", "-pa", Dir, ct_runs:gentcp(),
                                   "-eval", "eunit:test(faults_tests), halt()."], []),
    ct:log("~ts", [Output]),
    ?assertMatch({match, _}, re:run(Output, "All 3 tests passed")).

exunit(_Config) ->
    case os:find_executable("elixir") of
        false ->
            {skip, "no Elixir"};
        Elixir ->
            {0, Output} = ct_runs:command(Elixir, ["-pa", ct_runs:gentcp(),
                                                   ct_runs:find("examples/exunit/faults_test.exs")], []),
            ct:log("~ts", [Output]),
            ?assertMatch({match, _}, re:run(Output, "5 tests, 0 failures"))
    end.
