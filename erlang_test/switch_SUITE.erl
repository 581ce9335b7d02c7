%% @doc How a node is switched to gentcp: each row of doc/SWITCHING_ON.md, with the tool that it
%% names, in an OS process of its own. What is printed there is the module of a socket, so a
%% way that leaves the node on the stock driver in silence fails.
%%
%% These cases have no counterpart on the stock driver.
-module(switch_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, groups/0, init_per_group/2, end_per_group/2]).

%% erl.
-export([
    start_function_on_the_command_line/1,
    eval_on_the_command_line/1,
    before_what_a_script_runs/1,
    variable/1,
    variable_with_options/1,
    key_of_the_application/1,
    variable_goes_before_the_key/1,
    first_socket_of_an_application/1
]).

%% Not switched, and not in silence.
-export([
    program_is_missing/1,
    nonsense_in_the_variable/1,
    nonsense_in_the_key/1,
    unknown_option/1
]).

%% In this node.
-export([installed_says_which/1, log_says_it_once/1]).

%% For the logger.
-export([log/2]).

%% rebar3.
-export([rebar3_ct/1, rebar3_eunit/1, rebar3_shell/1, rebar3_release/1]).

%% Elixir.
-export([elixir_script/1, mix_test/1, iex/1]).

-spec suite() -> [ct_suite:ct_info()].
suite() ->
    [{timetrap, {minutes, 3}}].

-spec all() -> [ct_suite:ct_test_def()].
all() ->
    [{group, Group} || {Group, _, _} <- groups()].

-spec groups() -> [ct_suite:ct_group_def()].
groups() ->
    [{erl, [], [start_function_on_the_command_line, eval_on_the_command_line,
                before_what_a_script_runs, variable, variable_with_options, key_of_the_application,
                variable_goes_before_the_key, first_socket_of_an_application]},
     {not_in_silence, [], [program_is_missing, nonsense_in_the_variable, nonsense_in_the_key,
                           unknown_option]},
     {this_node, [], [installed_says_which, log_says_it_once]},
     {rebar3, [], [rebar3_ct, rebar3_eunit, rebar3_shell, rebar3_release]},
     {elixir, [], [elixir_script, mix_test, iex]}].

init_per_group(rebar3, Config) -> with_program("rebar3", Config);
init_per_group(elixir, Config) -> with_program("mix", Config);
init_per_group(_, Config) -> Config.

end_per_group(_, _Config) ->
    ok.

with_program(Program, Config) ->
    case os:find_executable(Program) of
        false -> {skip, "there is no " ++ Program ++ " on the PATH"};
        _ -> Config
    end.

%%
%% erl
%%

%% What the nodes of these cases do at last: open a socket and say what it is. A program of a user
%% that knows nothing of gentcp would do the same.
-define(SAY, "{ok, L} = gen_tcp:listen(0, []), "
             "io:format(\"socket of ~p~n\", [if is_port(L) -> stock; true -> element(2, L) end]), "
             "halt().").
-define(START, "{ok, _} = application:ensure_all_started(gentcp), ").

start_function_on_the_command_line(_Config) ->
    on(erl("", "-s gentcp", ?SAY)),
    on(erl("", "-s gentcp install", ?SAY)).

eval_on_the_command_line(_Config) ->
    on(erl("", "", "ok = gentcp:install(), " ++ ?SAY)),
    on(erl("", "-eval 'ok = gentcp:install().'", ?SAY)).

%% As with `-s rabbit boot': what is appended to the command line comes too late.
before_what_a_script_runs(_Config) ->
    First = "-eval '" ++ ?SAY ++ "'",
    on(erl("ERL_AFLAGS='-s gentcp'", First, "halt().")),
    stock(erl("", First ++ " -s gentcp", "halt().")).

variable(_Config) ->
    on(erl("GENTCP=1", "", ?START ?SAY)),
    on(erl("GENTCP=true", "", ?START ?SAY)),
    stock(erl("GENTCP=0", "", ?START ?SAY)),
    stock(erl("GENTCP=false", "", ?START ?SAY)),
    stock(erl("GENTCP=", "", ?START ?SAY)).

variable_with_options(_Config) ->
    on(erl("GENTCP='#{}'", "", ?START ?SAY)).

key_of_the_application(Config) ->
    on(erl("", "-gentcp install true", ?START ?SAY)),
    on(erl("", "-gentcp install '#{}'", ?START ?SAY)),
    File = file(Config, "sys.config", "[{gentcp, [{install, true}]}].\n"),
    on(erl("", "-config " ++ File, ?START ?SAY)).

variable_goes_before_the_key(_Config) ->
    stock(erl("GENTCP=0", "-gentcp install true", ?START ?SAY)).

%% Nothing starts the application but the first of its own sockets.
first_socket_of_an_application(_Config) ->
    on(erl("GENTCP=1", "", "{ok, _} = gen_tcp:listen(0, [{tcp_module, gentcp_tcp}]), " ?SAY)).

%%
%% Not switched, and not in silence
%%

program_is_missing(_Config) ->
    Flags = "-gentcp port_program '\"/no/such/program\"'",
    Crash = erl("ERL_CRASH_DUMP=/dev/null", Flags ++ " -s gentcp", ?SAY),
    ?assertMatch({match, _}, re:run(Crash, "gentcp_not_installed")),
    off(Crash),
    Error = erl("", Flags, "{error, _} = gentcp:install(), " ?SAY),
    stock(Error),
    ?assertMatch({match, _}, re:run(Error, "gentcp is not installed, gen_tcp stays on the stock driver")).

nonsense_in_the_variable(_Config) ->
    [refused(erl("GENTCP=" ++ Value, "", ?START ?SAY), "bad_env,\\s*\\{\"GENTCP\"")
     || Value <- ["perhaps", "'{'", "2", "'[a'", "yes"]],
    ok.

nonsense_in_the_key(_Config) ->
    refused(erl("", "-gentcp install perhaps", ?START ?SAY), "bad_env,\\s*\\{install,perhaps").

unknown_option(_Config) ->
    refused(erl("", "-gentcp install '#{socket => port}'", ?START ?SAY), "bad_option"),
    ?assertEqual({error, {bad_option, #{no => such}}}, gentcp:install(#{no => such})).

refused(Output, Reason) ->
    off(Output),
    ?assertMatch({match, _}, re:run(Output, "gentcp is not installed")),
    ?assertMatch({match, _}, re:run(Output, Reason)).

%%
%% In this node
%%

installed_says_which(_Config) ->
    ?assertNot(gentcp:installed()),
    ok = gentcp:install(),
    ?assert(gentcp:installed()),
    {ok, L} = gen_tcp:listen(0, []),
    ?assertMatch({'$inet', gentcp, _}, L),
    ok = gen_tcp:close(L),
    ok = gentcp:uninstall(),
    ?assertNot(gentcp:installed()).

log_says_it_once(_Config) ->
    ok = logger:add_handler(?MODULE, ?MODULE, #{config => self(), level => notice}),
    try
        ok = gentcp:install(),
        ok = gentcp:install(),
        ok = gentcp:uninstall(),
        ok = gentcp:uninstall()
    after
        ok = logger:remove_handler(?MODULE)
    end,
    #{os_pid := OsPid} = gentcp:port_info(),
    {ok, Version} = application:get_key(gentcp, vsn),
    ?assertEqual(["gen_tcp on gentcp " ++ Version ++ ", OS process " ++ integer_to_list(OsPid),
                  "gen_tcp on the stock driver"], lines()).

log(#{level := notice} = Event, #{config := Pid}) ->
    Pid ! {line, lists:flatten(logger_formatter:format(Event, #{template => [msg], single_line => true}))};
log(_Event, _Config) ->
    ok.

%% Handlers run in the process that logs.
lines() ->
    receive {line, Line} -> [Line | lines()] after 0 -> [] end.

%%
%% rebar3
%%

rebar3_ct(Config) ->
    Project = project(Config),
    Output = in(Project, "ERL_AFLAGS='-s gentcp' TERM=dumb rebar3 ct --readable=false"),
    on(Output),
    stock(in(Project, "TERM=dumb rebar3 ct --readable=false")).

rebar3_eunit(Config) ->
    on(in(project(Config), "ERL_AFLAGS='-s gentcp' TERM=dumb rebar3 eunit")).

rebar3_shell(Config) ->
    Project = project(Config),
    write(Project, "say.escript", "#!/usr/bin/env escript\nmain(_) -> " ++ ?SAY ++ "\n"),
    %% A shell whose input ends may end before it has run the script.
    Shell = "mkfifo -m 600 input 2>/dev/null; TERM=dumb rebar3 shell --script say.escript <>input ",
    on(in(Project, "export ERL_AFLAGS='-s gentcp'; " ++ Shell)).

rebar3_release(Config) ->
    Project = project(Config),
    Release = "_build/default/rel/shop",
    _ = in(Project, "TERM=dumb rebar3 release"),
    on(in(Project, "GENTCP=1 " ++ Release ++ "/bin/shop foreground")),
    stock(in(Project, Release ++ "/bin/shop foreground")).

%% A project that knows gentcp only from the code path, and as an application of its release.
project(Config) ->
    Dir = filename:join(proplists:get_value(priv_dir, Config), "shop"),
    [ok = filelib:ensure_dir(filename:join([Dir, D, "x"])) || D <- ["src", "test"]],
    write(Dir, "rebar.config",
          "{deps, []}.\n"
          "{relx, [{release, {shop, \"1\"}, [gentcp, shop]}, {lib_dirs, [\"" ++ libs() ++ "\"]},\n"
          "        {mode, prod}, {include_erts, false}]}.\n"),
    write(Dir, "src/shop.app.src",
          "{application, shop, [{description, \"a shop\"}, {vsn, \"1\"}, {mod, {shop, []}},\n"
          "                     {applications, [kernel, stdlib]}]}.\n"),
    write(Dir, "src/shop.erl",
          "-module(shop).\n-export([start/2, stop/1]).\n"
          "start(_, _) -> " ++ lists:droplast(?SAY) ++ ".\nstop(_) -> ok.\n"),
    write(Dir, "test/shop_SUITE.erl",
          "-module(shop_SUITE).\n-export([all/0, socket/1]).\nall() -> [socket].\n"
          "socket(_) -> {ok, L} = gen_tcp:listen(0, []),\n"
          "             io:format(user, \"socket of ~p~n\", [if is_port(L) -> stock; true -> element(2, L) end]).\n"),
    write(Dir, "test/shop_tests.erl",
          "-module(shop_tests).\n-export([socket_test/0]).\nsocket_test() -> shop_SUITE:socket([]).\n"),
    Dir.

%%
%% Elixir
%%

-define(ELIXIR, "{:ok, l} = :gen_tcp.listen(0, []); "
                "IO.puts(\"socket of #{if is_port(l), do: :stock, else: elem(l, 1)}\")").

elixir_script(Config) ->
    Dir = proplists:get_value(priv_dir, Config),
    write(Dir, "say.exs", ?ELIXIR "\n"),
    on(in(Dir, "ERL_AFLAGS='-s gentcp' elixir say.exs")),
    on(in(Dir, "elixir -e ':ok = :gentcp.install()' -e '" ?ELIXIR "'")).

mix_test(Config) ->
    Dir = filename:join(proplists:get_value(priv_dir, Config), "store"),
    ok = filelib:ensure_dir(filename:join([Dir, "test", "x"])),
    write(Dir, "mix.exs",
          "defmodule Store.MixProject do\n  use Mix.Project\n"
          "  def project, do: [app: :store, version: \"0.1.0\"]\nend\n"),
    write(Dir, "test/test_helper.exs", "ExUnit.start()\n"),
    write(Dir, "test/store_test.exs",
          "defmodule StoreTest do\n  use ExUnit.Case\n  test \"socket\" do\n    " ?ELIXIR "\n  end\nend\n"),
    on(in(Dir, "ERL_AFLAGS='-s gentcp' mix test")),
    write(Dir, "test/test_helper.exs", ":ok = :gentcp.install()\nExUnit.start()\n"),
    on(in(Dir, "mix test")).

%% With `-s gentcp' in front the first line may be read before the node is switched.
iex(Config) ->
    on(in(proplists:get_value(priv_dir, Config),
          "echo '" ?ELIXIR "; System.halt()' | TERM=dumb iex -e ':ok = :gentcp.install()'")).

%%
%% Running
%%

erl(Environment, Flags, Last) ->
    run(Environment ++ " erl -noshell " ++ Flags ++ " -eval '" ++ Last ++ "' </dev/null").

in(Dir, Command) ->
    run("cd '" ++ Dir ++ "' && HOME='" ++ Dir ++ "' " ++ Command).

%% With what this suite runs on as a library, and nothing of what it was switched on with.
run(Command) ->
    Output = os:cmd("unset GENTCP ERL_FLAGS ERL_ZFLAGS ERL_AFLAGS; export ERL_LIBS='" ++ libs() ++
                        "' ERL_CRASH_DUMP=/dev/null MIX_ENV=test; { " ++ Command ++ "; } 2>&1"),
    ct:pal("~ts~n~ts", [Command, Output]),
    Output.

libs() ->
    filename:dirname(code:lib_dir(gentcp)).

file(Config, Name, Content) ->
    Dir = proplists:get_value(priv_dir, Config),
    write(Dir, Name, Content),
    filename:join(Dir, Name).

write(Dir, Name, Content) ->
    ok = file:write_file(filename:join(Dir, Name), Content).

on(Output) -> ?assertEqual({match, ["gentcp"]}, driver(Output)).
stock(Output) -> ?assertEqual({match, ["stock"]}, driver(Output)).
off(Output) -> ?assertEqual(nomatch, driver(Output)).

driver(Output) ->
    re:run(Output, "socket of ([a-z]+)", [{capture, all_but_first, list}]).
