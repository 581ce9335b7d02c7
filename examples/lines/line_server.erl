%% A calculator that answers lines: "add 1 2" with "3". Its mistake is that it takes what
%% one recv returns for one line. On a quiet loopback interface that works for years.
-module(line_server).

-export([start/0, stop/1]).

-spec start() -> {pid(), inet:port_number()}.
start() ->
    Starter = self(),
    Server = spawn_link(fun() ->
        {ok, L} = gen_tcp:listen(0, [binary, {active, false}, {ip, {127, 0, 0, 1}}]),
        Starter ! {self(), inet:port(L)},
        accept(L)
    end),
    receive {Server, {ok, Port}} -> {Server, Port} end.

-spec stop(pid()) -> ok.
stop(Server) ->
    unlink(Server),
    exit(Server, shutdown),
    ok.

accept(L) ->
    {ok, S} = gen_tcp:accept(L),
    serve(S),
    accept(L).

serve(S) ->
    case gen_tcp:recv(S, 0) of
        {ok, Line} ->
            ok = gen_tcp:send(S, [answer(string:trim(Line)), $\n]),
            serve(S);
        {error, closed} ->
            ok = gen_tcp:close(S)
    end.

answer(Line) ->
    case string:lexemes(Line, " ") of
        [<<"add">>, A, B] -> integer_to_binary(binary_to_integer(A) + binary_to_integer(B));
        _ -> <<"error">>
    end.
