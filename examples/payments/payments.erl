%% Pays over a connection, and tries again when something goes wrong. Whoever does not
%% get an answer cannot know whether the request was carried out; this client asks again
%% all the same. With `once' each request has a name, and the server books a name
%% only once.
-module(payments).

-export([start_bank/0, stop_bank/1, booked/1, pay/3]).

-define(TRIES, 3).
-define(PATIENCE, 200).
-define(OPTIONS, [binary, {packet, line}, {active, false}, {send_timeout, ?PATIENCE}]).

%%
%% The client
%%

-spec pay(inet:port_number(), pos_integer(), again | once) -> ok | {error, term()}.
pay(Port, Amount, Mode) ->
    Name = case Mode of
               once -> integer_to_list(erlang:unique_integer([positive]));
               again -> "-"
           end,
    pay(Port, Amount, Name, ?TRIES).

pay(_Port, _Amount, _Name, 0) ->
    {error, unpaid};
pay(Port, Amount, Name, Tries) ->
    case request(Port, io_lib:format("pay ~s ~b\n", [Name, Amount])) of
        {ok, <<"paid\n">>} -> ok;
        {error, _} -> pay(Port, Amount, Name, Tries - 1)
    end.

request(Port, Request) ->
    case gen_tcp:connect({127, 0, 0, 1}, Port, ?OPTIONS, ?PATIENCE) of
        {ok, S} ->
            try
                case gen_tcp:send(S, Request) of
                    ok -> gen_tcp:recv(S, 0, ?PATIENCE);
                    {error, _} = Error -> Error
                end
            after
                gen_tcp:close(S)
            end;
        {error, _} = Error ->
            Error
    end.

%%
%% The bank
%%

-spec start_bank() -> {ok, {pid(), inet:port_number()}} | {error, term()}.
start_bank() ->
    Starter = self(),
    {Bank, Monitor} = spawn_monitor(fun() ->
        Listener = self(),
        case gen_tcp:listen(0, [{ip, {127, 0, 0, 1}} | ?OPTIONS]) of
            {ok, L} ->
                _ = spawn_link(fun() -> accept(L, Listener) end),
                Starter ! {self(), inet:port(L)},
                books([], L);
            {error, Reason} ->
                exit(Reason)
        end
    end),
    receive
        {Bank, {ok, Port}} ->
            true = erlang:demonitor(Monitor, [flush]),
            {ok, {Bank, Port}};
        {'DOWN', Monitor, process, Bank, Reason} ->
            {error, Reason}
    end.

-spec stop_bank(pid()) -> ok.
stop_bank(Bank) ->
    ask(Bank, stop).

-spec booked(pid()) -> [{Name :: binary(), Amount :: binary()}].
booked(Bank) ->
    ask(Bank, booked).

ask(Bank, Question) ->
    Ref = erlang:monitor(process, Bank),
    Bank ! {Question, self(), Ref},
    receive
        {Ref, Answer} -> erlang:demonitor(Ref, [flush]), Answer;
        {'DOWN', Ref, process, Bank, _} -> []
    end.

books(Booked, L) ->
    receive
        {{book, <<"-">>, Amount}, From, Ref} ->
            From ! {Ref, ok},
            books([{<<"-">>, Amount} | Booked], L);
        {{book, Name, Amount}, From, Ref} ->
            From ! {Ref, ok},
            books(lists:keystore(Name, 1, Booked, {Name, Amount}), L);
        {booked, From, Ref} ->
            From ! {Ref, Booked},
            books(Booked, L);
        {stop, From, Ref} ->
            From ! {Ref, ok},
            exit(shutdown)
    end.

%% Clients come one by one; one that says nothing is not waited for.
accept(L, Bank) ->
    case gen_tcp:accept(L) of
        {ok, S} ->
            _ = serve(S, Bank),
            _ = gen_tcp:close(S),
            accept(L, Bank);
        {error, closed} ->
            ok;
        {error, _} ->
            accept(L, Bank)
    end.

serve(S, Bank) ->
    case gen_tcp:recv(S, 0, ?PATIENCE) of
        {ok, Line} ->
            [<<"pay">>, Name, Amount] = string:lexemes(string:trim(Line), " "),
            ok = ask(Bank, {book, Name, Amount}),
            gen_tcp:send(S, "paid\n");
        {error, _} = Error ->
            Error
    end.
