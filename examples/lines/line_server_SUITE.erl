-module(line_server_SUITE).

-export([all/0, init_per_testcase/2, end_per_testcase/2]).
-export([adds/1, adds_twice/1]).

all() ->
    [adds, adds_twice].

init_per_testcase(_Case, Config) ->
    {Server, Port} = line_server:start(),
    {ok, S} = gen_tcp:connect("localhost", Port, [binary, {packet, line}, {active, false}]),
    [{server, Server}, {socket, S} | Config].

end_per_testcase(_Case, Config) ->
    ok = gen_tcp:close(proplists:get_value(socket, Config)),
    line_server:stop(proplists:get_value(server, Config)).

adds(Config) ->
    <<"3\n">> = ask("add 1 2\n", Config).

adds_twice(Config) ->
    <<"3\n">> = ask("add 1 2\n", Config),
    <<"300\n">> = ask("add 100 200\n", Config).

ask(Line, Config) ->
    S = proplists:get_value(socket, Config),
    ok = gen_tcp:send(S, Line),
    {ok, Answer} = gen_tcp:recv(S, 0, 5000),
    Answer.
