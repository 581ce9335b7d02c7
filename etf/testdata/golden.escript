#!/usr/bin/env escript
%% Writes golden vectors of the external term format, one a line, to standard
%% output: name, mode, bytes in hex, and the term as io:format("~0tp") prints it,
%% between tabs. The first line names the release.
%%
%% Modes: writes - what term_to_binary writes; options - the same with options;
%% reads - bytes made by hand, with tags that this release no longer writes,
%% that binary_to_term reads; refuses - bytes that binary_to_term refuses.
%%
%%     escript golden.escript > golden-otp27.txt
-mode(compile).

main(_) ->
    io:setopts([{encoding, unicode}]),
    io:format("# OTP ~s, erts ~s~n", [erlang:system_info(otp_release), erlang:system_info(version)]),
    [writes(Name, Term) || {Name, Term} <- terms()],
    [options(Name, Term, Options) || {Name, Term, Options} <- with_options()],
    [reads(Name, Bytes) || {Name, Bytes} <- by_hand()],
    [refuses(Name, Bytes) || {Name, Bytes} <- refused()],
    ok.

writes(Name, Term) -> line(Name, "writes", term_to_binary(Term), Term).

options(Name, Term, Options) ->
    try term_to_binary(Term, Options) of
        Bytes -> line(Name, "options", Bytes, Term)
    catch
        error:badarg -> ok                      % an option of later releases
    end.

reads(Name, Bytes) ->
    try binary_to_term(Bytes) of
        Term -> line(Name, "reads", Bytes, Term)
    catch
        error:badarg -> line(Name, "refuses", Bytes, '')
    end.

refuses(Name, Bytes) ->
    try binary_to_term(Bytes) of
        Term -> line(Name, "reads", Bytes, Term)
    catch
        error:badarg -> line(Name, "refuses", Bytes, '')
    end.

line(Name, Mode, Bytes, Term) ->
    Hex = [io_lib:format("~2.16.0b", [B]) || <<B>> <= Bytes],
    io:format("~s\t~s\t~s\t~0tp~n", [Name, Mode, Hex, Term]).

terms() ->
    Bits = [{"integer " ++ integer_to_list(I), I}
            || B <- [8, 16, 28, 31, 32, 59, 60, 63, 64, 65, 128, 2039, 2040, 2041],
               I <- [(1 bsl B) - 1, 1 bsl B, -(1 bsl B) - 1, -(1 bsl B), -(1 bsl B) + 1]],
    Bits ++
    [{"integer 0", 0}, {"integer 1", 1}, {"integer -1", -1},
     {"float 0", 0.0}, {"float 1.5", 1.5}, {"float -1.0e-300", -1.0e-300}, {"float max", 1.7976931348623157e308},
     {"float denormal", 5.0e-324}, {"float 0.1", 0.1}, {"float 1e22", 1.0e22}, {"float 1e15", 1.0e15},
     {"atom", foo}, {"atom empty", ''}, {"atom latin1", 'é'}, {"atom utf8", list_to_atom([955, 8364, 128512])},
     {"atom of 255", list_to_atom(lists:duplicate(255, $a))},
     {"atom of 255 wide", list_to_atom(lists:duplicate(255, 128512))},
     {"atom of 64 wide", list_to_atom(lists:duplicate(64, 128512))},
     {"atom quoted", 'it\'s a \\ \n'}, {"atom reserved", 'end'}, {"atom upper", 'Foo'},
     {"atom true", true}, {"atom nil", nil},
     {"tuple empty", {}}, {"tuple", {tcp, 17, <<"data">>}},
     {"tuple of 255", list_to_tuple(lists:seq(1, 255))},
     {"tuple of 256", list_to_tuple(lists:seq(1, 256))},
     {"nil", []}, {"string", "hello"}, {"string latin1", [233, 10, 34, 92]},
     {"string of bytes", [0, 1, 255]},
     {"list", [a, 1, 256, [b]]}, {"list unicode", [955, 97]}, {"list improper", [a | b]},
     {"list improper long", [1, 2, 3 | <<"t">>]}, {"list nested", [[[[]]]]},
     {"binary empty", <<>>}, {"binary", <<1, 2, 255>>}, {"binary text", <<"hello">>},
     {"binary utf8", <<"héλ"/utf8>>}, {"binary long", binary:copy(<<"0123456789">>, 100)},
     {"bitstring 1", <<1:1>>}, {"bitstring 7", <<127:7>>}, {"bitstring 12", <<16#abc:12>>},
     {"map empty", #{}}, {"map", #{a => 1}}, {"map float and integer keys", #{1 => i, 1.0 => f}},
     {"map compound keys", #{{a, b} => 1, [1] => 2, #{x => y} => 3}},
     {"map large", maps:from_list([{I, I * I} || I <- lists:seq(1, 40)])},
     {"pid", self()}, {"port", hd(erlang:ports())}, {"reference", make_ref()},
     {"reference alias", alias()},
     {"fun", fun(X) -> X end}, {"fun closure", closure(7, <<"free">>)},
     {"export", fun lists:map/2}, {"export quoted", fun 'A b':'C'/255}].

closure(A, B) -> fun(X, Y) -> {X, Y, A, B} end.

with_options() ->
    Big = lists:duplicate(300, {some, "text"}),
    [{"float, minor version 0", 1.5, [{minor_version, 0}]},
     {"float -1.0e-300, minor version 0", -1.0e-300, [{minor_version, 0}]},
     {"float, minor version 1", 1.5, [{minor_version, 1}]},
     {"atom, minor version 1", foo, [{minor_version, 1}]},
     {"atom latin1, minor version 1", 'é', [{minor_version, 1}]},
     {"atom, minor version 2", foo, [{minor_version, 2}]},
     {"bitstring, minor version 0", <<5:3>>, [{minor_version, 0}]},
     {"compressed", Big, [compressed]},
     {"compressed 9", Big, [{compressed, 9}]},
     {"compressed small", foo, [compressed]},
     {"deterministic", #{b => 1, a => 2, <<"c">> => 3, 4 => 5}, [deterministic]},
     {"local", {foo, self(), make_ref()}, [local]}].

by_hand() ->
    Node = <<115, 3, "a@b">>,
    [{"ATOM_EXT latin1", <<131, 100, 0, 2, "a", 233>>},
     {"SMALL_ATOM_EXT latin1", <<131, 115, 2, "a", 233>>},
     {"ATOM_UTF8_EXT short", <<131, 118, 0, 1, "a">>},
     {"SMALL_ATOM_UTF8_EXT", <<131, 119, 1, "a">>},
     {"PID_EXT", <<131, 103, Node/binary, 7:32, 8:32, 2>>},
     {"NEW_PID_EXT", <<131, 88, Node/binary, 7:32, 8:32, 16#66778899:32>>},
     {"PORT_EXT", <<131, 102, Node/binary, 7:32, 2>>},
     {"NEW_PORT_EXT", <<131, 89, Node/binary, 7:32, 16#66778899:32>>},
     {"V4_PORT_EXT", <<131, 120, Node/binary, 16#123456789a:64, 16#66778899:32>>},
     {"REFERENCE_EXT", <<131, 101, Node/binary, 7:32, 2>>},
     {"NEW_REFERENCE_EXT", <<131, 114, 3:16, Node/binary, 2, 7:32, 8:32, 9:32>>},
     {"NEWER_REFERENCE_EXT", <<131, 90, 3:16, Node/binary, 16#66778899:32, 7:32, 8:32, 9:32>>},
     {"NEWER_REFERENCE_EXT of 5", <<131, 90, 5:16, Node/binary, 16#66778899:32, 7:32, 8:32, 9:32, 10:32, 11:32>>},
     {"FLOAT_EXT", <<131, 99, "1.50000000000000000000e+00", 0, 0, 0, 0, 0>>},
     {"LARGE_TUPLE_EXT short", <<131, 105, 2:32, 97, 1, 97, 2>>},
     {"LARGE_BIG_EXT short", <<131, 111, 9:32, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9>>},
     {"SMALL_BIG_EXT of 0 bytes", <<131, 110, 0, 0>>},
     {"SMALL_BIG_EXT of zeros", <<131, 110, 3, 1, 0, 0, 0>>},
     {"SMALL_BIG_EXT small", <<131, 110, 1, 1, 5>>},
     {"INTEGER_EXT small", <<131, 98, 5:32>>},
     {"STRING_EXT empty", <<131, 107, 0:16>>},
     {"LIST_EXT empty", <<131, 108, 0:32, 106>>},
     {"LIST_EXT empty with a tail", <<131, 108, 0:32, 97, 1>>},
     {"LIST_EXT continued", <<131, 108, 1:32, 97, 1, 108, 1:32, 97, 2, 106>>},
     {"LIST_EXT with a string for a tail", <<131, 108, 1:32, 97, 1, 107, 2:16, 2, 3>>},
     {"LIST_EXT of bytes", <<131, 108, 2:32, 97, 1, 97, 2, 106>>},
     {"BIT_BINARY_EXT whole", <<131, 77, 1:32, 8, 5>>},
     {"BIT_BINARY_EXT with stray bits", <<131, 77, 1:32, 3, 255>>},
     {"BIT_BINARY_EXT empty", <<131, 77, 0:32, 0>>},
     {"MAP_EXT empty", <<131, 116, 0:32>>},
     {"atom of 255 in ATOM_EXT", <<131, 100, 255:16, (binary:copy(<<"a">>, 255))/binary>>}].

refused() ->
    One = zlib:compress(<<97, 1>>),
    Two = zlib:compress(<<97, 1, 0>>),
    [{"nothing", <<>>}, {"version alone", <<131>>}, {"another version", <<130, 97, 1>>},
     {"unknown tag", <<131, 255>>}, {"cut integer", <<131, 98, 0, 0>>}, {"cut atom", <<131, 119, 5, "ab">>},
     {"list that claims 2^32-2", <<131, 108, 255, 255, 255, 254>>},
     {"binary that claims 2^32-1", <<131, 109, 255, 255, 255, 255>>},
     {"tuple that claims 2^32-1", <<131, 105, 255, 255, 255, 255>>},
     {"map that claims 2^32-1", <<131, 116, 255, 255, 255, 255>>},
     {"list without a tail", <<131, 108, 1:32, 97, 1>>},
     {"atom that is no UTF-8", <<131, 119, 1, 255>>},
     {"atom with a surrogate", <<131, 119, 3, 16#ed, 16#a0, 16#80>>},
     {"atom of 256", <<131, 118, 256:16, (binary:copy(<<"a">>, 256))/binary>>},
     {"float NaN", <<131, 70, 16#7ff8000000000000:64>>},
     {"float infinite", <<131, 70, 16#7ff0000000000000:64>>},
     {"FLOAT_EXT that is no float", <<131, 99, "abc", 0:(28 * 8)>>},
     {"key twice", <<131, 116, 2:32, 97, 1, 97, 1, 97, 1, 97, 2>>},
     {"key twice, with other tags", <<131, 116, 2:32, 97, 1, 97, 1, 98, 1:32, 97, 2>>},
     {"bitstring that uses 9 bits", <<131, 77, 1:32, 9, 5>>},
     {"bitstring that uses 0 bits", <<131, 77, 1:32, 0, 5>>},
     {"reference of 6 words", <<131, 90, 6:16, 119, 1, "a", 0:(7 * 32)>>},
     {"pid without a node", <<131, 88, 97, 1, 0:96>>},
     {"compressed, not zlib", <<131, 80, 5:32, 1, 2, 3, 4, 5>>},
     {"compressed, too few", <<131, 80, 3:32, One/binary>>},
     {"compressed, too many", <<131, 80, 2:32, Two/binary>>},
     {"FUN_EXT", <<131, 117, 0:32, 103, 119, 1, "a", 1:32, 2:32, 0, 119, 1, "m", 97, 1, 97, 2>>},
     {"export with a big arity", <<131, 113, 119, 1, "m", 119, 1, "f", 98, 1:32>>}].
