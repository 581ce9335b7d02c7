%% @doc Prints sockets as `inet:i/0' does: one line each, in columns.
%% @private
-module(gentcp_table).

-export([print/1]).

-define(HEAD, ["Port", "Module", "Recv", "Sent", "Owner", "Local Address",
               "Foreign Address", "State", "Type"]).

-spec print([gentcp:socket()]) -> ok.
print([]) ->
    ok;
print(Sockets) ->
    Lines = [?HEAD | [line(S) || S <- Sockets]],
    Widths = lists:foldl(fun(Line, Max) -> lists:zipwith(fun erlang:max/2, widths(Line), Max) end,
                         widths(?HEAD), Lines),
    lists:foreach(fun(Line) ->
        Columns = lists:zipwith(fun(Text, Width) -> string:pad(Text, Width + 1) end, Line, Widths),
        io:put_chars([Columns, $\n])
    end, Lines).

widths(Line) ->
    [string:length(Text) || Text <- Line].

line({'$inet', gentcp, {_Port, Id, _Slot}} = S) ->
    Info = gentcp:info(S),
    [integer_to_list(Id), "gentcp", count(S, recv_oct), count(S, send_oct),
     owner(Info), address(gentcp:sockname(S)), address(gentcp:peername(S)),
     state(Info), "STREAM"].

count(S, Name) ->
    case gentcp:getstat(S, [Name]) of
        {ok, [{_, Count}]} -> integer_to_list(Count);
        {error, _} -> " "
    end.

owner(#{owner := Owner}) -> pid_to_list(Owner);
owner(#{}) -> " ".

state(#{states := States}) ->
    case lists:sort(States) of
        [] -> "CLOSED";
        [closed] -> "CLOSED";
        [connected, open] -> "CONNECTED(O)";
        Several -> lists:join($:, [abbreviation(State) || State <- Several])
    end.

abbreviation(accepting) -> "A";
abbreviation(bound) -> "BD";
abbreviation(busy) -> "BY";
abbreviation(connected) -> "CD";
abbreviation(connecting) -> "CG";
abbreviation(listen) -> "LN";
abbreviation(open) -> "O";
abbreviation(State) -> string:uppercase(atom_to_list(State)).

address({ok, {local, Path}}) ->
    ["local:", Path];
address({ok, {IP, Port}}) ->
    [host(IP), $:, service(Port)];
address({error, enotconn}) ->
    "*:*";
address({error, _}) ->
    " ".

host({0, 0, 0, 0}) -> "*";
host({0, 0, 0, 0, 0, 0, 0, 0}) -> "*";
host({127, 0, 0, 1}) -> "localhost";
host({0, 0, 0, 0, 0, 0, 0, 1}) -> "localhost";
host(IP) -> inet:ntoa(IP).

service(Port) ->
    case inet:getservbyport(Port, tcp) of
        {ok, Name} -> Name;
        {error, _} -> integer_to_list(Port)
    end.
