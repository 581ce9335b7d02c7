%% @doc The Erlang twin of portproto: what it writes by hand is what
%% `term_to_binary/1' would have written, what it takes apart by hand is what
%% `binary_to_term/1' gives, and both are what the examples of the protocol say.
-module(protocol_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0]).
-export([
    examples_of_the_document/1,
    lines_are_decode_packet/1,
    lists_are_binaries/1,
    frames_of_any_mix/1,
    ahead_behind_any_message/1,
    commands_are_terms/1,
    settles_are_terms/1,
    options_have_one_form/1
]).

-define(MAX_SMALL_ID, 16#7FFFFFFF).

suite() ->
    [{timetrap, {seconds, 30}}].

all() ->
    [examples_of_the_document, lines_are_decode_packet, lists_are_binaries, frames_of_any_mix,
     ahead_behind_any_message, commands_are_terms, settles_are_terms, options_have_one_form].

%% The file from which the document and the Go tests are made.
examples_of_the_document(_Config) ->
    {ok, Text} = file:read_file(repository:file("portproto/testdata/messages.txt")),
    Examples = [do_example(Line) || Line <- string:lexemes(Text, "\n"), hd(binary_to_list(Line)) =/= $#],
    ?assert(length(Examples) > 50),
    [begin
         ?assertEqual({Name, Term}, {Name, binary_to_term(Frame)}),
         Direction =:= $> orelse
             ?assertEqual({Name, Term}, {Name, do_expanded(gentcp_proto:decode(Frame))})
     end || {Name, Direction, Term, Frame} <- Examples],
    ok.

%% Http packets, from each place on, with the octet behind them that ends the last one.
lines_are_decode_packet(_Config) ->
    Request = <<"GET /a HTTP/1.1\r\nHost: shop\r\nX-Y: one\r\n two\r\n\r\n">>,
    Line = {http_request, 'GET', {abs_path, <<"/a">>}, {1, 1}},
    Host = {http_header, 14, 'Host', <<"Host">>, <<"shop">>},
    Own = {http_header, 0, <<"X-Y">>, <<"X-Y">>, <<"one\r\n two">>},
    All = {lines, http_bin, 0, 5, <<Request/binary, "nonsense\r\n.">>},
    ?assertEqual([Line, Host, Own, http_eoh, {http_error, <<"nonsense\r\n">>}], gentcp_proto:packets(All)),
    {Line, First} = gentcp_proto:packet(All, 0),
    {Host, Second} = gentcp_proto:packet(All, First),
    {Own, Third} = gentcp_proto:packet(All, Second),
    {http_eoh, Fourth} = gentcp_proto:packet(All, Third),
    ?assertEqual([1, 1, 1, 0], [Place band 1 || Place <- [First, Second, Third, Fourth]]),
    ?assertEqual([{http_header, 14, 'Host', "Host", "shop"}],
                 gentcp_proto:packets({lines, http, 1, 1, <<"Host: shop\r\n.">>})),
    ?assertEqual([http_eoh, Host],
                 gentcp_proto:packets({lines, httph_bin, 1, 2, <<"\r\nHost: shop\r\n.">>})).

%% Packets of a loan, from each place on, whatever follows the last one.
lists_are_binaries(_Config) ->
    Datas = [<<"one">>, <<>>, binary:copy(<<"x">>, 70_000), <<109, 0, 0, 0, 1, 2>>, <<"five">>],
    Octets = << <<109, (byte_size(D)):32, D/binary>> || D <- Datas >>,
    [begin
         All = {list, length(Datas), <<Octets/binary, Tail/binary>>},
         ?assertEqual(Datas, gentcp_proto:packets(All)),
         lists:foldl(fun(Data, {Place, Before}) ->
             ?assertEqual(2 * Before, Place),
             {Got, Next} = gentcp_proto:packet(All, Place),
             ?assertEqual(Data, Got),
             {Next, Before + 5 + byte_size(Data)}
         end, {0, 0}, Datas)
     end || Tail <- [<<>>, <<106>>, <<106, 106>>]].

%% Fixed and other shapes behind each other, with ids of all sizes.
frames_of_any_mix(_Config) ->
    Seed = rand:seed(exsss),
    ct:log("seed ~p", [Seed]),
    [begin
         %% What is sent ahead is the last of its frame.
         Messages = [do_message(rand:uniform(9)) || _ <- lists:seq(1, rand:uniform(8))]
             ++ [do_message(9 + rand:uniform(2)) || rand:uniform(3) =:= 1],
         Frame = do_frame(Messages),
         %% The frame is well made, and read alike.
         Messages = binary_to_term(Frame),
         ?assertEqual(Messages, do_expanded(gentcp_proto:decode(Frame)))
     end || _ <- lists:seq(1, 5000)],
    ok.

%% A loan has the same form behind each of the messages, of a fixed shape or not, that may be
%% in its frame: the router counts its packets.
ahead_behind_any_message(_Config) ->
    Lists = {ahead, 7, 3, [<<"two">>, <<>>]},
    Lines = {ahead, 7, 3, {lines, http_bin, 0, 1, <<"GET / HTTP/1.1\r\n.">>}},
    [begin
         Frame = do_frame([Message, Ahead]),
         [Message, {ahead, 7, 3, Packets}] = gentcp_proto:decode(Frame),
         ?assertEqual({Message, Form}, {Message, case Packets of
                                                     {list, 2, _} -> list;
                                                     {lines, http_bin, 0, 1, _} -> lines;
                                                     _ -> Packets
                                                 end})
     end || Message <- [{tcp, 7, <<"one">>}, {reply, <<"tag">>, ok}, {reply, <<"tag">>, {ok, <<"one">>}},
                        {credit, 7, 1, 2}, {http, 7, http_eoh}, {recall, 7, 2},
                        {reply, <<"tag">>, {ok, [{active, false}]}}, {reply, <<"tag">>, {error, timeout}},
                        {reply, 12, {ok, 8}}, {tcp_closed, 8}, {gone, 8, normal}, {tcp_passive, 8},
                        {tcp_error, 8, econnreset}],
            {Ahead, Form} <- [{Lists, list}, {Lines, lines}]],
    ok.

commands_are_terms(_Config) ->
    Ref = make_ref(),
    Self = self(),
    Ids = [1, 255, 256, ?MAX_SMALL_ID, ?MAX_SMALL_ID + 1, 1 bsl 40],
    Datas = ["", "hello", [<<"hel">>, [[$l], <<"o">>]], binary:copy(<<"x">>, 100_000)],
    [begin
         Size = iolist_size(Data),
         Bytes = iolist_to_binary(Data),
         Key = erlang:unique_integer([positive]),
         Packed = gentcp_proto:tag(Ref),
         Send = {send, Id, Bytes},
         Part = {send_part, Id, Key, 300_000, Bytes},
         ?assertEqual(Send, do_term(gentcp_proto:send(Id, Size, Data))),
         ?assertEqual(Send, do_term(gentcp_proto:cast({send, Id, Size, Data}))),
         ?assertEqual({call, Packed, Send}, do_term(gentcp_proto:call(Ref, {send, Id, Size, Data}))),
         ?assertEqual(Part, do_term(gentcp_proto:cast({send_part, Id, Key, 300_000, Size, Data}))),
         ?assertEqual({call, Packed, Part},
                      do_term(gentcp_proto:call(Ref, {send_part, Id, Key, 300_000, Size, Data})))
     end || Id <- Ids, Data <- Datas],
    [begin
         Recv = {recv, Id, Length, Timeout},
         {call, Tag, Recv} = do_term(gentcp_proto:call(Ref, Recv)),
         ?assertEqual({Ref, Self, Id}, gentcp_proto:caller(Tag))
     end || Id <- Ids, Length <- [0, 1, 16#4000000, 1 bsl 31, 1 bsl 70],
            Timeout <- [infinity, 0, 5000, ?MAX_SMALL_ID, 1 bsl 31, 1 bsl 64]],
    %% So does a recv that ends a loan.
    {call, SettleTag, {settle, 7, 3, 2, {recv, 7, 0, 5000}}} =
        do_term(gentcp_proto:call(Ref, gentcp_proto:settled({settle, 3, 2}, 7, {recv, 7, 0, 5000}))),
    ?assertEqual({Ref, Self, 7}, gentcp_proto:caller(SettleTag)),
    ?assertEqual({recv, 7, 0, 5000}, gentcp_proto:settled(bare, 7, {recv, 7, 0, 5000})),
    ?assertEqual({settle, 7, 3, 2}, gentcp_proto:settled({settle, 3, 2}, 7, none)),
    ?assertEqual({settle, 7, 0, 0}, gentcp_proto:settled(bare, 7, none)),
    {call, Tag, {close, 7}} = do_term(gentcp_proto:call(Ref, {close, 7})),
    ?assertEqual(Ref, gentcp_proto:caller(Tag)),
    ?assertEqual({call, 12, ping}, do_term(gentcp_proto:router_call(12, ping))),
    Release = list_to_integer(erlang:system_info(otp_release)),
    ?assertMatch({hello, 1, #{window := 1000, send_credit := true, ahead := 131072, lines := true, otp := Release, os_pid := _}},
                 do_term(gentcp_proto:hello(1000))).

%% What is said of a loan goes around the command, and the answer finds the same caller.
settles_are_terms(_Config) ->
    Ref = make_ref(),
    Self = self(),
    Ids = [1, 255, 256, ?MAX_SMALL_ID, ?MAX_SMALL_ID + 1, 1 bsl 40],
    [begin
         Settle = fun(Command) -> gentcp_proto:settled({settle, Loan, Count}, Id, Command) end,
         ?assertEqual({settle, Id, Loan, Count}, Settle(none)),
         ?assertEqual({settle, Id, Loan, Count}, do_term(gentcp_proto:cast(Settle(none)))),
         [begin
              Recv = {recv, Id, Length, Timeout},
              {call, Tag, {settle, Id, Loan, Count, Recv}} = do_term(gentcp_proto:call(Ref, Settle(Recv))),
              ?assertEqual({Ref, Self, Id}, gentcp_proto:caller(Tag))
          end || Length <- [0, 1 bsl 31], Timeout <- [infinity, 0, 1 bsl 31]],
         [begin
              {call, Tag, {settle, Id, Loan, Count, Command}} =
                  do_term(gentcp_proto:call(Ref, Settle(Command))),
              ?assertEqual(case Command of {setopts, _, _} -> {Ref, Id, once}; _ -> Ref end,
                           gentcp_proto:caller(Tag)),
              ?assertEqual(Command, gentcp_proto:settled(bare, Id, Command))
          end || Command <- [{setopts, Id, [{active, once}]}, {getopts, Id, [active]}, {info, Id},
                             {unrecv, Id, <<"x">>}, {getstat, Id, [recv_cnt]}]],
         ?assertEqual({settle, Id, Loan, Count, {unread, Id, <<"x">>}},
                      do_term(gentcp_proto:cast(Settle({unread, Id, <<"x">>})))),
         ?assertEqual({settle, Id, 0, 0}, gentcp_proto:settled(bare, Id, none))
     end || Id <- Ids, {Loan, Count} <- [{0, 1}, {65535, 1}, {300, 1 bsl 20 - 1}]],
    ok.

options_have_one_form(_Config) ->
    ?assertEqual([{raw, 1, 9, <<1>>}, {raw, 1, 9, <<2>>}, {netns, <<"/ns">>}, {netns, <<"/ns">>},
                  {netns, foo}, binary, {active, false}],
                 gentcp_proto:options([{raw, {1, 9, <<1>>}}, {raw, 1, 9, <<2>>}, {netns, "/ns"},
                                       {netns, <<"/ns">>}, {netns, foo}, binary,
                                       {active, false}])),
    ?assertError({bad_generator, foo}, gentcp_proto:options(foo)).

%%
%% Helpers
%%

do_term(Frame) ->
    binary_to_term(iolist_to_binary(Frame)).

do_example(Line) ->
    [Name, <<Direction, " ", Term/binary>>, Hex] = binary:split(Line, <<"\t">>, [global]),
    %% Atoms only: `maybe' has become a word of the language.
    {ok, Tokens, _} = erl_scan:string(binary_to_list(Term) ++ ".", 1,
                                      [{reserved_word_fun, fun(_) -> false end}]),
    {ok, Value} = erl_parse:parse_term(Tokens),
    <<Size:32, Frame:Size/binary>> = do_unhex(Hex),
    {Name, Direction, Value, Frame}.

do_unhex(Hex) ->
    << <<(binary_to_integer(Octet, 16))>> || <<Octet:2/binary>> <= Hex >>.

%% Packets that are decoded one by one, as they would be by those who take them.
do_expanded(Messages) ->
    [case Message of
         {ahead, Id, Loan, {list, Count, _} = Packets} ->
             Expanded = gentcp_proto:packets(Packets),
             ?assertEqual(Count, length(Expanded)),
             {ahead, Id, Loan, Expanded};
         {ahead, _, _, {lines, _, _, _, _}} ->
             Message;
         _ ->
             ?assertNotEqual(ahead, element(1, Message)),
             Message
     end || Message <- Messages].

do_frame(Messages) ->
    iolist_to_binary([131, 108, <<(length(Messages)):32>>, [do_octets(M) || M <- Messages], 106]).

do_message(1) -> {tcp, do_id(), do_data()};
do_message(2) -> {data, do_id(), do_data()};
do_message(3) -> {reply, do_data(), {ok, do_data()}};
do_message(4) -> {reply, do_data(), ok};
do_message(5) -> {credit, do_id(), rand:uniform(1000), rand:uniform(?MAX_SMALL_ID)};
do_message(6) -> {http, do_id(), do_item(rand:uniform(5))};
do_message(7) -> {reply, rand:uniform(1000), {error, lists:nth(rand:uniform(2), [closed, timeout])}};
do_message(8) -> {tcp, do_id(), binary_to_list(do_data())};
do_message(9) -> lists:nth(rand:uniform(4), [{gone, do_id(), normal}, {tcp_closed, do_id()},
                                             {reply, do_data(), {ok, [{active, once}]}},
                                             {ssl_tls, do_id(), 22, {3, 3}, do_data()}]);
do_message(10) -> {ahead, do_id(), rand:uniform(65536) - 1, [do_data() || _ <- lists:seq(1, rand:uniform(5))]};
do_message(11) -> {ahead, do_id(), rand:uniform(65536) - 1,
                   {lines, http_bin, rand:uniform(2) - 1, rand:uniform(9), do_data()}}.

do_item(1) -> {http_header, 14, 'Host', <<"host">>, do_data()};
do_item(2) -> {http_header, 0, <<"X-Own">>, <<"x-own">>, do_data()};
do_item(3) -> {http_request, 'GET', {abs_path, do_data()}, {1, 1}};
do_item(4) -> {http_response, {1, 1}, 200, do_data()};
do_item(5) -> http_eoh.

do_id() ->
    lists:nth(rand:uniform(4), [1, 200, 70_000, ?MAX_SMALL_ID]).

do_data() ->
    rand:bytes(rand:uniform(100) - 1).

%% As PROTOCOL.md section 5.1 fixes it: ids are always INTEGER_EXT, atoms
%% SMALL_ATOM_UTF8_EXT.
do_octets({credit, Id, Octets, Window}) ->
    [104, 4, do_atom(credit), <<98, Id:32, 98, Octets:32, 98, Window:32>>];
do_octets({Name, Id, Data}) when Name =:= tcp, is_binary(Data); Name =:= data ->
    [104, 3, do_atom(Name), <<98, Id:32>>, do_ext(Data)];
do_octets({ahead, Id, Loan, {lines, Mode, Headers, Count, Octets}}) ->
    [104, 4, do_atom(ahead), <<98, Id:32, 98, Loan:32>>,
     104, 5, do_atom(lines), do_atom(Mode), <<97, Headers, 98, Count:32>>, do_ext(Octets)];
do_octets({ahead, Id, Loan, Packets}) ->
    [104, 4, do_atom(ahead), <<98, Id:32, 98, Loan:32>>, do_ext(Packets)];
do_octets({http, Id, Item}) ->
    [104, 3, do_atom(http), <<98, Id:32>>, do_ext(Item)];
do_octets({reply, Tag, Result}) ->
    [104, 3, do_atom(reply), do_ext(Tag), do_ext(Result)];
do_octets(Message) ->
    do_ext(Message).

do_ext(Atom) when is_atom(Atom) ->
    do_atom(Atom);
do_ext(Tuple) when is_tuple(Tuple) ->
    [104, tuple_size(Tuple) | [do_ext(Element) || Element <- tuple_to_list(Tuple)]];
do_ext(Term) ->
    <<131, Ext/binary>> = term_to_binary(Term),
    Ext.

do_atom(Atom) ->
    Text = atom_to_binary(Atom, utf8),
    [119, byte_size(Text), Text].
