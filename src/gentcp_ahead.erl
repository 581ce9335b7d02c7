%% @doc Packets that the port program has sent ahead of the `{active, once}' or
%% `recv' that will ask for them, so that whoever asks need not wait for an answer.
%%
%% Such packets are on loan (PROTOCOL.md section 6.1). The router puts them
%% where every process finds them; a process that re-arms a socket, or
%% receives from it, takes the next one. Whatever else is asked of the input ends
%% the loan: the command carries how many packets were taken, and the port
%% program has the rest as before.
%%
%% The state of a socket is one cell of an `atomics' array, found by the slot of
%% its handle, and changed by compare and exchange only. So it is certain which
%% process has taken a packet, and whether a command came before or after a loan:
%%
%% <dl>
%% <dt>open</dt><dd>number of the loan, packets taken, place of the next one in its message
%% (see {@link gentcp_proto:packet/2})</dd>
%% <dt>closed</dt><dd>how many commands have asked for the input, and how many packets
%% were taken of which loan before the first of them, as long as the port program may not
%% know yet</dd>
%% </dl>
%%
%% Loans are numbered by the commands before them. One that comes when another
%% command is under way has a number that is out of date, and is dropped here;
%% that command reports to the port program that nothing was taken.
%%
%% The packets are in an ETS table, in which only the router puts any: `{Id, Loan, Owner,
%% Messages}', where a message of packets is `{First, Count, Packets}'. Those who take them
%% decode them.
%% @private
-module(gentcp_ahead).

%% The router's side.
-export([new/1, begin_socket/2, end_socket/2, offer/5, open/3, revoke/4, is_open/2]).

%% The callers' side.
-export([take/4, ask/3, answered/3]).

-export_type([loans/0, question/0, taken/0]).

-opaque loans() :: {atomics:atomics_ref(), ets:table()}.

-type question() :: bare | {settle, Loan :: non_neg_integer(), Count :: non_neg_integer()}.
%% What has to be said of a loan with a command that asks for the input.

-type taken() :: {Packet :: term(),
                  none | {taken, Loan :: non_neg_integer(), Count :: pos_integer()}}.
%% A packet, and what the port program should hear of it.

%% A cell: 1 bit for open, 16 for a number, 20 for a count of packets, 22 for
%% a place, or for the number of a loan. A small integer in all.
-define(OPEN(Loan, Count, Place), ((1 bsl 58) bor ((Loan) bsl 42) bor ((Count) bsl 22) bor (Place))).
-define(CLOSED(Asked, Count, Loan), (((Asked) bsl 42) bor ((Count) bsl 22) bor (Loan))).
-define(IS_OPEN(Cell), ((Cell) >= (1 bsl 58))).
-define(NUMBER(Cell), (((Cell) bsr 42) band 16#FFFF)).
-define(COUNT(Cell), (((Cell) bsr 22) band 16#FFFFF)).
-define(LOW(Cell), ((Cell) band 16#3FFFFF)).
-define(NEXT(Number), (((Number) + 1) band 16#FFFF)).

%% A binary that is a smaller part of its frame than one in this is copied, so
%% that it does not keep the frame in memory.
-define(SMALL_PART, 4).

%%
%% The router's side
%%

%% @doc Loans for `Slots' sockets at a time. Their table is the calling process's.
-spec new(pos_integer()) -> loans().
new(Slots) ->
    {atomics:new(Slots, [{signed, true}]),
     ets:new(?MODULE, [set, public, {read_concurrency, true}, {write_concurrency, true}])}.

%% @doc A socket begins its life in a slot.
-spec begin_socket(loans(), gentcp_credit:slot()) -> ok.
begin_socket(_Loans, 0) ->
    ok;
begin_socket({Cells, _Table}, Slot) ->
    atomics:put(Cells, Slot, 0).

%% @doc A socket is gone.
-spec end_socket(loans(), gentcp_proto:id()) -> ok.
end_socket({_Cells, Table}, Id) ->
    true = ets:delete(Table, Id),
    ok.

%% @doc Puts down packets that have arrived. They can be taken from {@link open/3} on, if
%% that is still to come; between the two is the moment for what comes before them.
-spec offer(loans(), gentcp_credit:slot(), gentcp_proto:id(), pid(), gentcp_proto:ahead()) ->
          new | added | refused.
offer(_Loans, 0, _Id, _Owner, _Ahead) ->
    refused;
offer({Cells, Table}, Slot, Id, Owner, {ahead, Id, Loan, Packets}) ->
    Count = count(Packets),
    Cell = atomics:get(Cells, Slot),
    case ?NUMBER(Cell) of
        Loan when ?IS_OPEN(Cell) ->
            add(Cells, Table, Slot, Id, Loan, ?COUNT(Cell), {Count, Packets});
        Loan ->
            true = ets:insert(Table, {Id, Loan, Owner, [{0, Count, Packets}]}),
            new;
        _ ->
            refused
    end.

count({list, Count, _}) -> Count;
count({lines, _, _, Count, _}) -> Count.

%% Messages of which all packets have been taken are dropped.
add(Cells, Table, Slot, Id, Loan, Taken, {Count, Packets}) ->
    case ets:lookup(Table, Id) of
        [{Id, Loan, Owner, Messages}] ->
            Last = lists:last(Messages),
            First = element(1, Last) + element(2, Last),
            Left = [M || {F, N, _} = M <- Messages, F + N > Taken] ++ [{First, Count, Packets}],
            true = ets:insert(Table, {Id, Loan, Owner, Left}),
            Cell = atomics:get(Cells, Slot),
            case ?IS_OPEN(Cell) andalso ?NUMBER(Cell) =:= Loan of
                true ->
                    added;
                false ->
                    true = ets:delete(Table, Id),
                    refused
            end;
        _ ->
            refused
    end.

%% @doc Opens a loan of which packets have been put down, unless a command has been
%% sent meanwhile.
-spec open(loans(), gentcp_credit:slot(), gentcp_proto:ahead()) -> ok.
open({Cells, Table}, Slot, {ahead, Id, Loan, _Packets}) ->
    Cell = atomics:get(Cells, Slot),
    case not ?IS_OPEN(Cell) andalso ?NUMBER(Cell) =:= Loan
        andalso atomics:compare_exchange(Cells, Slot, Cell, ?OPEN(Loan, 0, 0)) of
        ok ->
            ok;
        _ ->
            true = ets:delete(Table, Id),
            ok
    end.

%% @doc Ends a loan of which nothing is left in the port program.
-spec revoke(loans(), gentcp_credit:slot(), gentcp_proto:id(), non_neg_integer()) -> ok.
revoke(_Loans, 0, _Id, _Loan) ->
    ok;
revoke({Cells, Table} = Loans, Slot, Id, Loan) ->
    Cell = atomics:get(Cells, Slot),
    case ?IS_OPEN(Cell) andalso ?NUMBER(Cell) =:= Loan of
        true ->
            case atomics:compare_exchange(Cells, Slot, Cell, ?CLOSED(Loan, 0, 0)) of
                ok -> true = ets:delete(Table, Id), ok;
                _ -> revoke(Loans, Slot, Id, Loan)
            end;
        false ->
            ok
    end.

%% @doc Whether packets of a loan may be taken now.
-spec is_open(loans(), gentcp_credit:slot()) -> boolean().
is_open(_Loans, 0) ->
    false;
is_open({Cells, _Table}, Slot) ->
    ?IS_OPEN(atomics:get(Cells, Slot)).

%%
%% The callers' side
%%

%% @doc Takes the next packet of a loan, if there is one, for any process or only for the owner
%% of the socket: who is not could be killed before the owner has been sent the packet.
-spec take(loans(), gentcp_credit:slot(), gentcp_proto:id(), any | pid()) -> taken() | none.
take(_Loans, 0, _Id, _For) ->
    none;
take({Cells, Table} = Loans, Slot, Id, For) ->
    case atomics:get(Cells, Slot) of
        Cell when ?IS_OPEN(Cell) ->
            case next(Table, Id, ?NUMBER(Cell), ?COUNT(Cell)) of
                {Owner, _} when For =/= any, For =/= Owner ->
                    none;
                %% Others have taken what was before it since the cell was read.
                {_Owner, {First, _, _}} when First > ?COUNT(Cell) ->
                    case atomics:get(Cells, Slot) of
                        Cell -> none;
                        _Changed -> take(Loans, Slot, Id, For)
                    end;
                {_Owner, {First, Count, Packets}} ->
                    {Packet, Place} = gentcp_proto:packet(Packets, ?LOW(Cell)),
                    Taken = ?COUNT(Cell) + 1,
                    IsLast = Taken =:= First + Count,
                    After = ?OPEN(?NUMBER(Cell), Taken, case IsLast of true -> 0; false -> Place end),
                    case atomics:compare_exchange(Cells, Slot, Cell, After) of
                        ok when IsLast ->
                            {part(Packet, Packets), {taken, ?NUMBER(Cell), Taken}};
                        ok ->
                            {part(Packet, Packets), none};
                        _Changed ->
                            take(Loans, Slot, Id, For)
                    end;
                none ->
                    none
            end;
        _Closed ->
            none
    end.

next(Table, Id, Loan, Taken) ->
    try ets:lookup(Table, Id) of
        [{Id, Loan, Owner, Messages}] -> message(Messages, Owner, Taken);
        _ -> none
    catch
        error:badarg -> none % the router has ended
    end.

message([{First, Count, _} = Message | _], Owner, Taken) when Taken < First + Count ->
    {Owner, Message};
message([_ | Rest], Owner, Taken) ->
    message(Rest, Owner, Taken);
message([], _Owner, _Taken) ->
    none.

%% What does not keep much of a frame in memory.
part(Data, {list, _, Octets}) when byte_size(Data) * ?SMALL_PART < byte_size(Octets) ->
    binary:copy(Data);
part(Data, {list, _, _}) ->
    Data;
part({http_header, Bit, Field, Orig, Value}, _Lines) when is_binary(Orig), is_binary(Field) ->
    {http_header, Bit, binary:copy(Field), binary:copy(Orig), binary:copy(Value)};
part({http_header, Bit, Field, Orig, Value}, _Lines) when is_binary(Orig) ->
    {http_header, Bit, Field, binary:copy(Orig), binary:copy(Value)};
part({http_request, Method, {abs_path, Path}, Version}, _Lines) when is_binary(Path) ->
    {http_request, Method, {abs_path, binary:copy(Path)}, Version};
part({http_response, Version, Status, Phrase}, _Lines) when is_binary(Phrase) ->
    {http_response, Version, Status, binary:copy(Phrase)};
part(Item, _Lines) ->
    Item.

%% @doc To be called before a command that asks for the input, which is then to be sent:
%% ends a loan that is open. Returns what the command has to say of it.
-spec ask(loans(), gentcp_credit:slot(), gentcp_proto:id()) -> question().
ask(_Loans, 0, _Id) ->
    bare;
ask({Cells, Table} = Loans, Slot, Id) ->
    Cell = atomics:get(Cells, Slot),
    {Count, Loan} = case ?IS_OPEN(Cell) of
                        true -> {?COUNT(Cell), ?NUMBER(Cell)};
                        %% All numbers have been used since: it must not be taken for the next.
                        false when ?LOW(Cell) =:= ?NUMBER(Cell) -> {0, 0};
                        false -> {?COUNT(Cell), ?LOW(Cell)}
                    end,
    case atomics:compare_exchange(Cells, Slot, Cell,
                                  ?CLOSED(?NEXT(?NUMBER(Cell)), Count, Loan)) of
        ok ->
            _ = ?IS_OPEN(Cell) andalso forget(Table, Id),
            case Count of
                0 -> bare;
                _ -> {settle, Loan, Count}
            end;
        _Changed ->
            ask(Loans, Slot, Id)
    end.

forget(Table, Id) ->
    try ets:delete(Table, Id)
    catch error:badarg -> true
    end.

%% @doc To be called when the command has been answered: what it said need not be said
%% again.
-spec answered(loans(), gentcp_credit:slot(), question()) -> ok.
answered(_Loans, _Slot, bare) ->
    ok;
answered({Cells, _Table}, Slot, {settle, Loan, Count}) ->
    Cell = atomics:get(Cells, Slot),
    _ = ?COUNT(Cell) =:= Count andalso ?LOW(Cell) =:= Loan andalso not ?IS_OPEN(Cell)
        andalso atomics:compare_exchange(Cells, Slot, Cell, ?CLOSED(?NUMBER(Cell), 0, 0)),
    ok.
