%% Connections to the peer, the process at the far end (bench/peer).
-module(bench_peer).

-export([open/3, control/2, numbers/1, payload/1]).

-define(LOOPBACK, {127, 0, 0, 1}).

%% A connection on the driver under test, after its request line.
-spec open(map(), iodata(), [gen_tcp:connect_option()]) -> gen_tcp:socket().
open(#{driver := Driver, peer := Port}, Request, Options) ->
    {ok, S} = gen_tcp:connect(?LOOPBACK, Port, bench_driver:options(Driver) ++ Options),
    ok = gen_tcp:send(S, [Request, $\n]),
    S.

%% A connection that only steers the peer: on the stock driver, whatever is
%% under test.
-spec control(map(), iodata()) -> gen_tcp:socket().
control(#{peer := Port}, Request) ->
    {ok, S} = gen_tcp:connect(?LOOPBACK, Port, [binary, {active, false}, {packet, line}]),
    ok = gen_tcp:send(S, [Request, $\n]),
    S.

%% The peer's reply on a control connection.
-spec numbers(gen_tcp:socket()) -> [integer()].
numbers(Control) ->
    {ok, Line} = gen_tcp:recv(Control, 0),
    [binary_to_integer(Word) || Word <- string:lexemes(Line, " \n")].

-spec payload(non_neg_integer()) -> binary().
payload(Size) ->
    binary:copy(<<"x">>, Size).
