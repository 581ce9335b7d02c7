%% erlc -o /tmp examples/eunit/faults_tests.erl
%% erl -noshell -pa /tmp _build/default/lib/gentcp/ebin -eval 'eunit:test(faults_tests), halt().'
-module(faults_tests).

-include_lib("eunit/include/eunit.hrl").

%% gentcp is there for all tests of the module, and each group has its faults.
faults_test_() ->
    {setup,
     fun() -> ok = gentcp:install() end,
     fun(_) -> gentcp:uninstall() end,
     [{"no fault", under([], fun() -> ?assertEqual({ok, <<"hello">>}, ask(<<"hello">>)) end)},
      {"byte by byte",
       under(byte_by_byte, fun() -> ?assertEqual({ok, <<"hello">>}, ask(<<"hello">>)) end)},
      {"reset",
       under({recv, {error, econnreset}},
             fun() -> ?assertEqual({error, econnreset}, ask(<<"hello">>)) end)}]}.

%% EUnit runs a test in a process of its own: the sockets of that one and of its
%% descendants are meant.
under(Faults, Test) ->
    fun() -> gentcp_fault:with({ancestor, self()}, Faults, Test) end.

ask(Question) ->
    {ok, L} = gen_tcp:listen(0, [binary, {active, false}, {ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(L),
    {ok, C} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}]),
    {ok, S} = gen_tcp:accept(L),
    try
        ok = gen_tcp:send(C, Question),
        gen_tcp:recv(S, byte_size(Question), 5000)
    after
        [gen_tcp:close(Socket) || Socket <- [L, C, S]]
    end.
