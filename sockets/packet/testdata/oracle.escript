#!/usr/bin/env escript
%% -*- erlang -*-
%% What this node makes of packets, asked line by line on standard input:
%%
%%   decode Type PacketSize LineLength Delimiter xHEX
%%       one erlang:decode_packet/3
%%   stream Type,Type,... PacketSize Buffer Delimiter xHEX
%%       every packet that recv/2 of a socket returns for these bytes; the types
%%       are taken in turn, the last one for all that is left
%%
%% A number that is "-" stays at its default.
-mode(compile).

main([]) ->
    Opts = [binary, {active, false}, {ip, {127,0,0,1}}],
    {ok, L} = gen_tcp:listen(0, Opts),
    loop(L).

loop(L) ->
    case io:get_line("") of
        eof -> ok;
        {error, _} -> ok;
        Line ->
            Answer = answer(L, string:lexemes(Line, " \n")),
            io:put_chars([Answer, $\n]),
            loop(L)
    end.

answer(_, ["decode", Type, Size, Length, Delimiter, Hex]) ->
    Bin = unhex(Hex),
    Opts = [{line_length, N} || N <- number(Length)]
        ++ [{packet_size, N} || N <- number(Size)]
        ++ [{line_delimiter, N} || N <- number(Delimiter)],
    case erlang:decode_packet(type(Type), Bin, Opts) of
        {more, undefined} -> "more";
        {more, N} -> io_lib:format("more ~b", [N - byte_size(Bin)]);
        {error, invalid} -> "error";
        {ok, Item, Rest} ->
            [io_lib:format("~b ", [byte_size(Bin) - byte_size(Rest)]), item(Item)]
    end;
answer(L, ["stream", Types, Size, Buffer, Delimiter, Hex]) ->
    Bin = unhex(Hex),
    {ok, Port} = inet:port(L),
    {ok, C} = gen_tcp:connect({127,0,0,1}, Port, [binary, {active, false}]),
    {ok, S} = gen_tcp:accept(L),
    ok = inet:setopts(S, [{buffer, N} || N <- number(Buffer)]
                      ++ [{packet_size, N} || N <- number(Size)]
                      ++ [{line_delimiter, N} || N <- number(Delimiter)]),
    ok = gen_tcp:send(C, Bin),
    ok = gen_tcp:shutdown(C, write),
    Items = receive_all(S, [type(T) || T <- string:lexemes(Types, ",")]),
    ok = gen_tcp:close(S),
    ok = gen_tcp:close(C),
    lists:join(" | ", Items).

receive_all(S, [Type | Types]) ->
    ok = inet:setopts(S, [{packet, Type}]),
    case gen_tcp:recv(S, 0, 5000) of
        {ok, Item} when Types =:= [] -> [item(Item) | receive_all(S, [Type])];
        {ok, Item} -> [item(Item) | receive_all(S, Types)];
        {error, Reason} -> [atom_to_list(Reason)]
    end.

item(Bin) when is_binary(Bin) ->
    ["bytes ", hex(Bin)];
item({http_request, Method, Uri, {Major, Minor}}) ->
    io_lib:format("request ~s ~s ~b ~b", [name(Method), uri(Uri), Major, Minor]);
item({http_response, {Major, Minor}, Status, Phrase}) ->
    io_lib:format("response ~b ~b ~b ~s", [Major, Minor, Status, hex(Phrase)]);
item({http_header, Bit, Field, Orig, Value}) ->
    io_lib:format("header ~b ~s ~s ~s", [Bit, name(Field), hex(Orig), hex(Value)]);
item(http_eoh) ->
    "eoh";
item({http_error, Line}) ->
    ["error ", hex(Line)];
item({ssl_tls, _, Type, {Major, Minor}, Bin}) ->
    io_lib:format("tls ~b ~b ~b ~s", [Type, Major, Minor, hex(Bin)]).

name(Atom) when is_atom(Atom) -> ["atom ", hex(atom_to_list(Atom))];
name(String) -> ["string ", hex(String)].

uri('*') -> "star";
uri({abs_path, Path}) -> ["abs_path ", hex(Path)];
uri({absoluteURI, Scheme, Host, undefined, Path}) -> uri({absoluteURI, Scheme, Host, 0, Path});
uri({absoluteURI, Scheme, Host, Port, Path}) ->
    io_lib:format("absolute ~s ~s ~b ~s", [hex(atom_to_list(Scheme)), hex(Host), Port, hex(Path)]);
uri({scheme, Scheme, Rest}) -> ["scheme ", hex(Scheme), " ", hex(Rest)];
uri(String) -> ["string ", hex(String)].

type([C]) when $0 =< C, C =< $9 -> C - $0;
type(Name) -> list_to_existing_atom(Name).

number("-") -> [];
number(Number) -> [list_to_integer(Number)].

%% An x keeps empty strings visible.
hex(String) ->
    [$x | [io_lib:format("~2.16.0b", [C]) || <<C>> <= iolist_to_binary(String)]].

unhex([$x | Hex]) -> unhex(Hex, <<>>).

unhex([A, B | Hex], Bin) -> unhex(Hex, <<Bin/binary, (list_to_integer([A, B], 16))>>);
unhex([], Bin) -> Bin.
