%% @doc Every term that crosses the pipe to a port program: the Erlang twin of
%% the Go package `portproto'. PROTOCOL.md, beside that package, is normative.
%%
%% A frame is one external term. Commands are encoded by the process that
%% sends them, so what is sent often (`send', `recv') is put together by hand
%% around its payload, which is not copied here. On the way back {@link
%% decode/1} takes the payload of the fixed shapes of PROTOCOL.md section 5.1 as a
%% sub-binary of the frame; all else goes through `binary_to_term/2', which is not to make atoms.
%%
%% A port program may be wrong, or in the hands of somebody else. What it writes
%% can then be wrong too, but for the tags that the node gave it: those are signed.
%% @private
-module(gentcp_proto).

%% To the port program.
-export([hello/1, cast/1, call/2, router_call/2, send/3, settled/3, told/2, count/1, waiting/2, tag/1,
         options/1, fits/1]).

%% From the port program.
-export([decode/1, caller/1, packet/2, packets/1, line/3]).

%% Both.
-export([secret/0]).

-export_type([id/0, tag/0, caller/0, message/0, command/0, ahead/0, packets/0, lines/0, place/0]).

-define(VERSION, 1).

%% The longest frame that the port program takes by default.
-define(MAX_FRAME, 128 * 1024 * 1024).

%% How many octets of a socket's input may be sent ahead.
-define(AHEAD, 128 * 1024).

%% Tags of the external term format.
-define(MAGIC, 131).
-define(SMALL_INTEGER_EXT, 97).
-define(INTEGER_EXT, 98).
-define(SMALL_TUPLE_EXT, 104).
-define(NIL_EXT, 106).
-define(LIST_EXT, 108).
-define(BINARY_EXT, 109).
-define(SMALL_ATOM_UTF8_EXT, 119).

-define(INTEGER_LIMIT, 16#80000000).

-type id() :: pos_integer().
%% The wire's name of a socket. Never used twice by one port program.

-type tag() :: binary() | integer() | atom() | {withdrawn, reference()}.
%% What a reply brings back: who waits for it, packed and signed (see {@link
%% tag/1}), or something of the router itself.

-type caller() :: reference()
                | {reference(), Receiver :: pid(), id()}
                | {reference(), id(), gentcp_credit:arming()}.
%% Who waits for a reply: an alias. Of a `recv' also the process and the socket, because the data of
%% a receiver that died must find its way back; of a `setopts' that names `active' also the socket
%% and what becomes of it.

-type command() :: tuple() | atom().
%% A command as PROTOCOL.md section 3 writes it. `{send, Id, Size, IoData}' and
%% `{send_part, Id, Key, Total, Size, IoData}' carry the size of their payload.

-type message() :: tuple().
%% A message as PROTOCOL.md section 5 writes it, but for `ahead'.

-type lines() :: {lines, http | http_bin | httph | httph_bin, Headers :: 0 | 1,
                  Count :: pos_integer(), Octets :: binary()}.
%% Http packets, which are parsed on this side. `Headers' tells whether headers are due, or
%% a start line.

-type packets() :: {list, Count :: pos_integer(), Octets :: binary()} | lines().
%% Packets that have not been looked at; {@link packet/2} does.

-type ahead() :: {ahead, id(), Loan :: non_neg_integer(), packets()}.
%% An `ahead' message.

-type place() :: non_neg_integer().
%% Where a packet begins: twice the octets before it, and 1 more where http headers are due.
%% 0 is the beginning in any case.

%%
%% To the port program
%%

%% @doc The node's first frame. `Window' is in octets. The port program does what
%% this release of OTP does, and takes descriptors from this process.
-spec hello(pos_integer()) -> binary().
hello(Window) ->
    term_to_binary({hello, ?VERSION, #{
        window => Window,
        send_credit => true,
        ahead => ?AHEAD,
        lines => true,
        otp => list_to_integer(erlang:system_info(otp_release)),
        erts => list_to_binary(erlang:system_info(version)),
        os_pid => list_to_integer(os:getpid())
    }}).

%% @doc A command that is not answered.
-spec cast(command()) -> iodata().
cast({send, Id, Size, Data}) ->
    send(Id, Size, Data);
cast({send_part, Id, Key, Total, Size, Data}) ->
    [?MAGIC, send_part(Id, Key, Total, Size) | Data];
cast(Command) ->
    term_to_binary(Command).

%% @doc An uncalled `send'.
-spec send(id(), non_neg_integer(), iodata()) -> iodata().
send(Id, Size, Data) when Id < ?INTEGER_LIMIT ->
    [<<?MAGIC, ?SMALL_TUPLE_EXT, 3, ?SMALL_ATOM_UTF8_EXT, 4, "send",
       ?INTEGER_EXT, Id:32, ?BINARY_EXT, Size:32>> | Data];
send(Id, Size, Data) ->
    [?MAGIC, send_header(Id, Size) | Data].

%% @doc A command that is answered to the process that holds `Ref', an alias
%% of the caller.
-spec call(reference(), command()) -> iodata().
call(Ref, {recv, Id, Length, Timeout, Told} = Command)
  when Id < ?INTEGER_LIMIT, Length < ?INTEGER_LIMIT ->
    Tag = tag(waiting(Ref, Command)),
    TimeoutExt = timeout_ext(Timeout),
    <<?MAGIC, ?SMALL_TUPLE_EXT, 3, ?SMALL_ATOM_UTF8_EXT, 4, "call",
      ?BINARY_EXT, (byte_size(Tag)):32, Tag/binary,
      ?SMALL_TUPLE_EXT, 5, ?SMALL_ATOM_UTF8_EXT, 4, "recv",
      ?INTEGER_EXT, Id:32, ?INTEGER_EXT, Length:32, TimeoutExt/binary, ?INTEGER_EXT, Told:32>>;
call(Ref, {send, Id, Size, Data}) ->
    [called(Ref), send_header(Id, Size) | Data];
call(Ref, {send_part, Id, Key, Total, Size, Data}) ->
    [called(Ref), send_part(Id, Key, Total, Size) | Data];
call(Ref, Command) ->
    term_to_binary({call, tag(waiting(Ref, Command)), Command}).

%% @doc Who waits for the answer to a command that the calling process has called with an alias.
-spec waiting(reference(), command()) -> caller().
waiting(Ref, {settle, Id, _Loan, _Count, Command}) when element(2, Command) =:= Id ->
    waiting(Ref, Command);
waiting(Ref, Command) when element(1, Command) =:= recv ->
    {Ref, self(), element(2, Command)};
waiting(Ref, Command) when element(1, Command) =:= setopts ->
    case gentcp_credit:arming(element(3, Command)) of
        none -> Ref;
        Arming -> {Ref, element(2, Command), Arming}
    end;
waiting(Ref, _Command) ->
    Ref.

%% @doc The tag of a call.
-spec tag(caller()) -> binary().
tag(Caller) ->
    Packed = term_to_binary(Caller),
    <<(signature(Packed))/binary, Packed/binary>>.

%% Eight octets that nobody can make who does not know the secret.
signature(Packed) ->
    <<Signature:8/binary, _/binary>> = erlang:md5([secret(), Packed]),
    Signature.

%% @doc What tags are signed with. It is made when it is asked for the first time, and never
%% leaves the node.
-spec secret() -> binary().
secret() ->
    case persistent_term:get({?MODULE, secret}, none) of
        none ->
            Secret = random(),
            persistent_term:put({?MODULE, secret}, Secret),
            Secret;
        Secret ->
            Secret
    end.

random() ->
    case file:open("/dev/urandom", [read, raw, binary]) of
        {ok, Fd} ->
            {ok, Random} = file:read(Fd, 16),
            _ = file:close(Fd),
            Random;
        {error, _} ->
            erlang:md5(term_to_binary({make_ref(), self(), erlang:timestamp(), rand:bytes(64)}))
    end.

%% @doc A command that is answered to the router.
-spec router_call(integer() | atom() | {withdrawn, reference()}, command()) -> iodata().
router_call(Tag, Command) ->
    term_to_binary({call, Tag, Command}).

%% @doc A command that asks for the input of a socket, with what has to be said of its
%% loan. `none' for the command only says that.
-spec settled(gentcp_ahead:question(), id(), command() | none) -> command().
settled(bare, Id, none) -> {settle, Id, 0, 0};
settled(bare, _Id, Command) -> Command;
settled({settle, Loan, Count}, Id, none) -> {settle, Id, Loan, Count};
settled({settle, Loan, Count}, Id, Command) -> {settle, Id, Loan, Count, Command}.

%% @doc A command with how many answers of `recv' the node has told by now.
-spec told(command(), non_neg_integer()) -> command().
told({recv, Id, Length, Timeout}, Told) -> {recv, Id, Length, Timeout, count(Told)};
told({setopts, Id, Options}, Told) -> {setopts, Id, Options, count(Told)};
told(Command, _Told) -> Command.

%% @doc A count as the wire has it.
-spec count(non_neg_integer()) -> 0..16#FFFF.
count(Count) -> Count band 16#FFFF.

%% @doc Whether a command is short enough for a frame. Payloads of any length go
%% in parts; what else is that long has never been meant.
-spec fits(iodata()) -> boolean().
fits(Frame) when is_binary(Frame) ->
    byte_size(Frame) =< ?MAX_FRAME;
fits(_WithPayload) ->
    true.

%% @doc Options as the wire has them: file names are binaries, and `raw' has one
%% form only where stock takes two.
-spec options([term()]) -> [term()].
options(Opts) ->
    [case Opt of
         {netns, Name} -> {netns, filename_to_binary(Name)};
         {raw, {Protocol, Option, Value}} -> {raw, Protocol, Option, Value};
         {gentcp_fault, Faults} -> {gentcp_fault, without_profiles(Faults)};
         _ -> Opt
     end || Opt <- Opts].

%% What cannot be expanded is left for the other side to refuse.
without_profiles(Faults) ->
    case gentcp_profile:expand(Faults) of
        {ok, Expanded} -> Expanded;
        {error, _} -> Faults
    end.

%% As inet does with the names in options: what cannot be converted is left for
%% the other side to refuse.
filename_to_binary(Name) when is_list(Name) ->
    try unicode:characters_to_binary(Name, unicode, file:native_name_encoding()) of
        Binary when is_binary(Binary) -> Binary;
        _ -> Name
    catch
        error:badarg -> Name
    end;
filename_to_binary(Name) ->
    Name.

called(Ref) ->
    Tag = tag(Ref),
    <<?MAGIC, ?SMALL_TUPLE_EXT, 3, ?SMALL_ATOM_UTF8_EXT, 4, "call",
      ?BINARY_EXT, (byte_size(Tag)):32, Tag/binary>>.

send_header(Id, Size) ->
    [<<?SMALL_TUPLE_EXT, 3, ?SMALL_ATOM_UTF8_EXT, 4, "send">>,
     ext(Id), <<?BINARY_EXT, Size:32>>].

send_part(Id, Key, Total, Size) ->
    [<<?SMALL_TUPLE_EXT, 5, ?SMALL_ATOM_UTF8_EXT, 9, "send_part">>,
     ext(Id), ext(Key), ext(Total), <<?BINARY_EXT, Size:32>>].

timeout_ext(infinity) ->
    <<?SMALL_ATOM_UTF8_EXT, 8, "infinity">>;
timeout_ext(Timeout) when Timeout < ?INTEGER_LIMIT ->
    <<?INTEGER_EXT, Timeout:32>>;
timeout_ext(Timeout) ->
    ext(Timeout).

%% A term inside of another one.
ext(Term) ->
    <<?MAGIC, Ext/binary>> = term_to_binary(Term),
    Ext.

%%
%% From the port program
%%

%% @doc The messages of a frame, in order. Binaries in them may be parts of
%% the frame: who keeps one for long copies it. Raises an error for a frame that is not well formed, or
%% has an atom that this node does not know (see {@link gentcp_atoms}).
-spec decode(binary()) -> [message()].
decode(<<?MAGIC, ?LIST_EXT, Count:32, Messages/binary>>) ->
    messages(Count, Messages).

%% The fixed shapes. At the first message of another shape the rest of the
%% list is decoded in one go.
messages(N, <<?SMALL_TUPLE_EXT, 3, ?SMALL_ATOM_UTF8_EXT, 3, "tcp", ?INTEGER_EXT, Id:32,
              ?BINARY_EXT, Size:32, Data:Size/binary, Rest/binary>>) ->
    [{tcp, Id, Data} | messages(N - 1, Rest)];
messages(N, <<?SMALL_TUPLE_EXT, 3, ?SMALL_ATOM_UTF8_EXT, 5, "reply",
              ?BINARY_EXT, TagSize:32, Tag:TagSize/binary,
              ?SMALL_TUPLE_EXT, 2, ?SMALL_ATOM_UTF8_EXT, 2, "ok",
              ?BINARY_EXT, Size:32, Data:Size/binary, Rest/binary>>) ->
    [{reply, Tag, {ok, Data}} | messages(N - 1, Rest)];
messages(N, <<?SMALL_TUPLE_EXT, 3, ?SMALL_ATOM_UTF8_EXT, 5, "reply",
              ?BINARY_EXT, TagSize:32, Tag:TagSize/binary,
              ?SMALL_ATOM_UTF8_EXT, 2, "ok", Rest/binary>>) ->
    [{reply, Tag, ok} | messages(N - 1, Rest)];
messages(N, <<?SMALL_TUPLE_EXT, 4, ?SMALL_ATOM_UTF8_EXT, 6, "credit", ?INTEGER_EXT, Id:32,
              ?INTEGER_EXT, Octets:32, ?INTEGER_EXT, Window:32, Rest/binary>>) ->
    [{credit, Id, Octets, Window} | messages(N - 1, Rest)];
messages(N, <<?SMALL_TUPLE_EXT, 3, ?SMALL_ATOM_UTF8_EXT, 4, "data", ?INTEGER_EXT, Id:32,
              ?BINARY_EXT, Size:32, Data:Size/binary, Rest/binary>>) ->
    [{data, Id, Data} | messages(N - 1, Rest)];
messages(N, <<?SMALL_TUPLE_EXT, 3, ?SMALL_ATOM_UTF8_EXT, 4, "http", ?INTEGER_EXT, Id:32,
              ?SMALL_TUPLE_EXT, 5, ?SMALL_ATOM_UTF8_EXT, 5, "lines",
              ?SMALL_ATOM_UTF8_EXT, ModeSize, Mode:ModeSize/binary,
              ?SMALL_INTEGER_EXT, Headers, ?INTEGER_EXT, Count:32,
              ?BINARY_EXT, Size:32, Octets:Size/binary, Rest/binary>>) ->
    [{http, Id, {lines, mode(Mode), Headers, Count, Octets}} | messages(N - 1, Rest)];
messages(0, <<?NIL_EXT>>) ->
    [];
%% The last of its frame. Whoever takes the packets looks at them.
messages(1, <<?SMALL_TUPLE_EXT, 4, ?SMALL_ATOM_UTF8_EXT, 5, "ahead", ?INTEGER_EXT, Id:32,
              ?INTEGER_EXT, Loan:32, Packets/binary>>) ->
    [{ahead, Id, Loan, lent(Packets)}];
messages(N, Rest) ->
    [undecoded(Message) || Message <- binary_to_term(<<?MAGIC, ?LIST_EXT, N:32, Rest/binary>>, [safe])].

%% What is sent ahead has one form, also behind messages of any shape.
undecoded({ahead, Id, Loan, Packets}) when is_list(Packets) ->
    {ahead, Id, Loan, {list, length(Packets),
                       << <<?BINARY_EXT, (byte_size(P)):32, P/binary>> || P <- Packets >>}};
undecoded(Message) ->
    Message.

lent(<<?LIST_EXT, Count:32, Octets/binary>>) ->
    {list, Count, Octets};
lent(<<?SMALL_TUPLE_EXT, 5, ?SMALL_ATOM_UTF8_EXT, 5, "lines",
       ?SMALL_ATOM_UTF8_EXT, ModeSize, Mode:ModeSize/binary,
       ?SMALL_INTEGER_EXT, Headers, ?INTEGER_EXT, Count:32,
       ?BINARY_EXT, Size:32, Octets:Size/binary, ?NIL_EXT>>) ->
    {lines, mode(Mode), Headers, Count, Octets}.

mode(<<"http_bin">>) -> http_bin;
mode(<<"http">>) -> http;
mode(<<"httph_bin">>) -> httph_bin;
mode(<<"httph">>) -> httph.

%% @doc The packet at a place, and the place of the next one.
-spec packet(packets(), place()) -> {binary() | term(), place()}.
packet({list, _Count, Octets}, Place) ->
    Offset = Place bsr 1,
    <<_:Offset/binary, ?BINARY_EXT, Size:32, Data:Size/binary, _/binary>> = Octets,
    {Data, (Offset + 5 + Size) bsl 1};
packet({lines, Mode, Headers, _Count, Octets}, 0) ->
    place(line(Mode, Headers, Octets), Octets);
packet({lines, Mode, _Headers, _Count, Octets}, Place) ->
    Offset = Place bsr 1,
    <<_:Offset/binary, Rest/binary>> = Octets,
    place(line(Mode, Place band 1, Rest), Octets).

place({Item, Headers, Rest}, Octets) ->
    {Item, ((byte_size(Octets) - byte_size(Rest)) bsl 1) bor Headers}.

%% @doc The http packet at the front of some octets, whether headers are due behind it, and
%% the octets behind it. What is no packet is all taken for one that is wrong.
-spec line(http | http_bin | httph | httph_bin, 0 | 1, binary()) -> {term(), 0 | 1, binary()}.
line(Mode, Headers, Octets) ->
    case erlang:decode_packet(due(Mode, Headers), Octets, []) of
        {ok, Item, Rest} -> {Item, headers(Item, Headers), Rest};
        _ -> {{http_error, Octets}, Headers, <<>>}
    end.

due(http_bin, 1) -> httph_bin;
due(http, 1) -> httph;
due(Mode, _) -> Mode.

headers({http_header, _, _, _, _}, _) -> 1;
headers(http_eoh, _) -> 0;
headers({http_error, _}, Headers) -> Headers;
headers(_StartLine, _) -> 1.

%% @doc All of some packets.
-spec packets(packets()) -> [binary() | term()].
packets({list, Count, _} = Packets) -> packets(Count, Packets, 0);
packets({lines, _, _, Count, _} = Packets) -> packets(Count, Packets, 0).

packets(0, _Packets, _Place) ->
    [];
packets(Count, Packets, Place) ->
    {Packet, Next} = packet(Packets, Place),
    [Packet | packets(Count - 1, Packets, Next)].

%% @doc Who waits for the reply with a tag, if it is one that this node has made.
-spec caller(tag()) -> caller() | forged.
caller(<<Signature:8/binary, Packed/binary>>) ->
    case signature(Packed) of
        Signature -> binary_to_term(Packed);
        _ -> forged
    end;
caller(_) ->
    forged.
