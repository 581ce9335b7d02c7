%% @doc The router: owns a port program, and hands on what comes from it.
%%
%% Callers write their commands to the port themselves and wait for replies
%% under an alias of theirs, so the router is on the way in only. Three things go
%% through it on the way out too: the opening of sockets, because it watches
%% who opens them; the passing of a socket to another owner, because it must
%% not be overtaken by messages; and credit for what it has handed on.
%%
%% It is a plain process with a loop of its own, under `proc_lib' and `sys', since
%% all input of all sockets passes here. What it knows of its sockets is a
%% {@link gentcp_registry}, and what becomes of them is in {@link gentcp_sockets}. What it
%% reports to their owners goes through {@link gentcp_delivery}. What callers send it is dealt
%% with in {@link gentcp_openings} and {@link gentcp_questions}, and what they wait for from the
%% port program in {@link gentcp_replies}.
%%
%% When the port program ends, however that happens, the router reports it to the owners and
%% exits, and {@link gentcp_shard} starts another with a new port; the port is part of every
%% socket term, so an old socket never names a new connection. When the router itself is killed,
%% {@link gentcp_heir} reports to the owners.
%% @private
-module(gentcp_port).

%% Starting.
-export([start_link/1, init/2, forget/1]).

%% For callers.
-export([lookup/1, is_orphan/2]).

%% For sys.
-export([system_continue/3, system_terminate/4, system_code_change/4,
         system_get_state/1, system_replace_state/2]).

-export_type([socket/0]).

-include_lib("kernel/include/logger.hrl").
-include("gentcp_router.hrl").

-type socket() :: {'$inet', gentcp, {port(), gentcp_proto:id(), gentcp_credit:slot()}}.

%% How many octets may be under way from the port program, and how many the
%% router hands on before it gives credit for them.
-define(WINDOW, 8 * 1024 * 1024).
-define(CREDIT_AT, (?WINDOW div 4)).

%% Slots for credit. A socket beyond that has each of its sends called.
-define(MAX_SLOTS, 65536).

%% How long a port program may take to say hello.
-define(HELLO_TIMEOUT, 10000).

%% How long a port program may take to answer a goodbye, which it does before it sends what is left.
-define(GOODBYE_TIMEOUT, 5000).

%%
%% Starting
%%

%% @doc Starts a router, which goes by a name, for the calling shard. It reports to
%% {@link gentcp_shard} how the start came out.
-spec start_link(atom()) -> pid().
start_link(Name) ->
    proc_lib:spawn_opt(?MODULE, init, [self(), Name], [link, {message_queue_data, off_heap}]).

-spec init(pid(), atom()) -> no_return().
init(Shard, Name) ->
    process_flag(trap_exit, true),
    case start_program(Shard, Name) of
        {ok, State} ->
            take_name(Name),
            #state{port = Port, pen = Pen} = State,
            [gentcp_pen:cast(Pen, Command) || Command <- gentcp_fault_server:replay(Port)],
            gentcp_shard:started(Shard, ok, self()),
            loop(State);
        {error, Reason} ->
            gentcp_shard:started(Shard, {error, Reason}, self()),
            exit({shutdown, {port_program, Reason}})
    end.

start_program(Shard, Name) ->
    case gentcp_program:open() of
        {ok, Port, Program} ->
            Heir = new_heir(Shard, Port, Program),
            case gentcp_program:hello(Port, Shard, ?HELLO_TIMEOUT) of
                {ok, Hello} ->
                    _ = erlang:monitor(port, Port),
                    State = new(Shard, Name, Port, Program, Heir, Hello),
                    gentcp_pen:write(State#state.pen, gentcp_proto:hello(?WINDOW)),
                    persistent_term:put(key(Port),
                                        {self(), State#state.credit, State#state.loans}),
                    persistent_term:put(owners(Port), State#state.legacy),
                    {ok, State};
                Error ->
                    Error
            end;
        Error ->
            Error
    end.

%% A router whose shard has been killed may still be at its end.
take_name(Name) ->
    case whereis(Name) of
        undefined ->
            true = register(Name, self());
        Old ->
            Monitor = erlang:monitor(process, Old),
            receive {'DOWN', Monitor, process, Old, _} -> ok
            after ?GOODBYE_TIMEOUT -> exit(Old, kill)
            end,
            take_name(Name)
    end.

new(Parent, Name, Port, Program, Heir, Hello) ->
    Slots = case Hello of
                #{max_sockets := Max} when is_integer(Max), Max > 0 -> min(Max, ?MAX_SLOTS);
                #{} -> ?MAX_SLOTS
            end,
    Credit = gentcp_credit:new(Slots),
    #state{
        parent = Parent,
        name = Name,
        port = Port,
        program = Program,
        pen = gentcp_pen:new(Port),
        credit = Credit,
        loans = gentcp_ahead:new(Slots),
        registry = gentcp_registry:new(Slots),
        legacy = gentcp_heir:table(Heir, Credit),
        heir = {Heir, erlang:monitor(process, Heir)}
    }.

new_heir(Shard, Port, Program) ->
    Heir = gentcp_heir:start([key(Port), owners(Port)], Port, Program),
    gentcp_shard:opened(Shard, {Heir, Port, Program}),
    Heir.

%% @doc Nobody finds the router of a port any more.
-spec forget(port()) -> ok.
forget(Port) ->
    _ = persistent_term:erase(key(Port)),
    _ = persistent_term:erase(owners(Port)),
    ok.

key(Port) ->
    {?MODULE, Port}.

owners(Port) ->
    {gentcp_heir, Port}.

%%
%% For callers
%%

%% @doc The router of a port program, and what it shares with callers. `closed' if it has
%% ended.
-spec lookup(port()) -> {pid(), gentcp_credit:array(), gentcp_ahead:loans()} | closed.
lookup(Port) ->
    persistent_term:get(key(Port), closed).

%% @doc Whether the owner of a socket is dead, and the port program may not have heard of it. Who
%% has seen the death finds no open socket any more.
-spec is_orphan(port(), gentcp_proto:id()) -> boolean().
is_orphan(Port, Id) ->
    case persistent_term:get(owners(Port), closed) of
        closed ->
            false;
        Owners ->
            case gentcp_heir:owner(Owners, Id) of
                none -> false;
                Owner -> not is_process_alive(Owner)
            end
    end.

%%
%% The loop
%%

loop(State) ->
    receive
        {system, From, Request} ->
            #state{parent = Parent, debug = Debug} = State,
            sys:handle_system_msg(Request, From, Parent, ?MODULE, Debug, State);
        Message ->
            loop(handle(Message, traced(Message, State)))
    end.

traced(_Message, #state{debug = []} = State) ->
    State;
traced(Message, #state{debug = Debug, name = Name} = State) ->
    State#state{debug = sys:handle_debug(Debug, fun print/3, Name, {in, Message})}.

print(Device, {in, Message}, Name) ->
    io:format(Device, "*DBG* ~tp got ~tp~n", [Name, Message]).

handle({Port, {data, Frame}}, #state{port = Port} = State) ->
    frame(Frame, State);
handle({open, Caller, Alias, Settings, Command}, State) ->
    gentcp_openings:start(Caller, Alias, Settings, Command, State);
handle({ask, Alias, Question}, State) ->
    {Answer, State1} = gentcp_questions:answer(Question, State),
    gentcp_delivery:tell(Alias, Answer),
    State1;
handle({withdraw, Alias, Waiting}, State) ->
    gentcp_replies:withdraw(Waiting, Alias, State);
handle({{owner, Id}, Monitor, process, _Pid, Reason}, State) ->
    gentcp_sockets:owner_exit(Id, Monitor, Reason, State);
handle({{caller, Tag}, _Monitor, process, _Pid, _Reason}, State) ->
    gentcp_openings:cancel(Tag, State),
    State;
handle({{watcher, Ref}, _Monitor, process, _Pid, _Reason}, State) ->
    {_, State1} = gentcp_questions:answer({cancel_monitor, Ref}, State),
    State1;
handle({Port, {exit_status, _} = Ending}, #state{port = Port} = State) ->
    port_exit(Ending, State);
handle({'EXIT', Port, Reason}, #state{port = Port} = State) ->
    port_exit(Reason, State);
handle({'DOWN', _Monitor, port, Port, Reason}, #state{port = Port} = State) ->
    port_exit(Reason, State);
handle({'DOWN', Monitor, process, Lost, _Reason}, #state{heir = {Lost, Monitor}} = State) ->
    Heir = new_heir(State#state.parent, State#state.port, State#state.program),
    gentcp_heir:leave_to(State#state.legacy, Heir, State#state.credit),
    State#state{heir = {Heir, erlang:monitor(process, Heir)}};
handle({'EXIT', Parent, _Reason}, #state{parent = Parent} = State) ->
    goodbye(State);
handle({'EXIT', Pid, Reason}, #state{pen = Pen} = State) when is_pid(Pid) ->
    case gentcp_pen:renew(Pen, Pid) of
        {ok, New} -> State#state{pen = New};
        %% The program will never hear what it has to.
        lost -> port_exit({pen, Reason}, State);
        other -> State
    end;
handle(_Unknown, State) ->
    State.

%%
%% Input
%%

frame(Frame, State) ->
    Size = byte_size(Frame),
    try messages(gentcp_proto:decode(Frame), Size, State) of
        State1 ->
            case State1#state.owed + Size + 4 of
                Owed when Owed >= ?CREDIT_AT ->
                    gentcp_pen:cast(State1#state.pen, {credit, Owed}),
                    State1#state{owed = 0};
                Owed ->
                    State1#state{owed = Owed}
            end
    catch
        throw:{lie, What} -> lies(What, Frame, State);
        error:Reason -> lies(Reason, Frame, State)
    end.

%% A program that writes what is no frame, or answers what it was not asked, has lost its way, or
%% is in the hands of somebody else. Its sockets end as if it had ended.
-spec lies(term(), binary(), #state{}) -> no_return().
lies(What, Frame, #state{program = Program} = State) ->
    ?LOG_ERROR("gentcp: port program ~b breaks the protocol (~0tP) and is killed: ~0tP",
               [gentcp_program:os_pid(Program), What, 10, Frame, 20]),
    stop({shutdown, {port_program, eproto}}, farewell(State)).

messages([{tcp, Id, _} = First | [{tcp, Id, _} | _] = Rest] = Messages, Size,
         #state{credit = Credit} = State) ->
    case gentcp_sockets:socket(Id, State) of
        #socket{held = none, slot = Slot} = Socket ->
            case gentcp_credit:activity(Credit, Slot, Id) of
                active -> messages(gentcp_delivery:run(Socket, Size, Messages), Size, State);
                _ -> messages(Rest, Size, message(First, Size, State))
            end;
        _ ->
            messages(Rest, Size, message(First, Size, State))
    end;
messages([Message, {ahead, _, _, _} = Ahead], Size, State) ->
    %% The receiver of the first may ask for the next at once. So that it finds the loan, all
    %% but the opening is done before, and the opening right behind.
    ahead(Ahead, fun(State1) -> message(Message, Size, State1) end, State);
messages([Message | Rest], Size, State) ->
    messages(Rest, Size, message(Message, Size, State));
messages([], _Size, State) ->
    State.

message({tcp, Id, Data}, Size, State) ->
    packet(Id, {tcp, Id, gentcp_delivery:part(Data, Size)}, State);
message({reply, Tag, Result}, Size, State) when is_binary(Tag) ->
    gentcp_replies:hand_on(gentcp_proto:caller(Tag), Result, Size, State),
    State;
message({credit, Id, Octets, Window}, _Size, State) ->
    gentcp_sockets:credit(Id, Octets, Window, State);
message({reply, Tag, Result}, _Size, State) when is_integer(Tag) ->
    gentcp_openings:finish(Tag, Result, State);
message({http, Id, {lines, _, _, _, _} = Lines}, _Size, #state{credit = Credit} = State) ->
    case gentcp_sockets:socket(Id, State) of
        none -> State;
        Socket -> delivered(gentcp_delivery:lines(Lines, Socket, Credit), State)
    end;
message({http, Id, _Packet} = Message, _Size, State) ->
    packet(Id, Message, State);
message({ssl_tls, Id, _Type, _Version, _Data} = Message, _Size, State) ->
    packet(Id, Message, State);
message({data, Id, Data}, Size, State) ->
    packet(Id, {data, Id, gentcp_delivery:part(Data, Size)}, State);
message({tcp_passive, Id} = Message, _Size, State) ->
    event(Id, Message, State);
message({tcp_error, Id, _Reason} = Message, _Size, State) ->
    event(Id, Message, State);
message({tcp_closed, Id} = Message, _Size, State) ->
    event(Id, Message, State);
message({ahead, _, _, _} = Ahead, _Size, State) ->
    ahead(Ahead, fun(State1) -> State1 end, State);
message({recall, Id, Loan}, _Size, #state{loans = Loans} = State) ->
    case gentcp_sockets:socket(Id, State) of
        #socket{slot = Slot} -> gentcp_ahead:revoke(Loans, Slot, Id, Loan);
        none -> ok
    end,
    State;
message({gone, Id, Reason}, _Size, State) ->
    gentcp_sockets:gone(Id, Reason, State);
message({unsure, Id}, _Size, State) ->
    gentcp_replies:report_told(Id, State),
    State;
message({reply, {withdrawn, Alias}, _Result}, _Size, State) ->
    gentcp_replies:forget_withdrawn(Alias, State);
message({reply, ping, _Pong}, _Size, State) ->
    State;
message({error, Reason}, _Size, State) ->
    ?LOG_WARNING("gentcp: the port program refused a command: ~0tp", [Reason]),
    State;
message(_Unknown, _Size, _State) ->
    throw({lie, unknown_message}).

packet(Id, Message, #state{credit = Credit} = State) ->
    case gentcp_sockets:socket(Id, State) of
        none -> State;
        Socket -> delivered(gentcp_delivery:packet(Message, Socket, Credit), State)
    end.

event(Id, Message, #state{credit = Credit} = State) ->
    case gentcp_sockets:socket(Id, State) of
        none -> State;
        Socket -> delivered(gentcp_delivery:event(Message, Socket, Credit), State)
    end.

%% Only a socket that is passed on has changed.
delivered(#socket{held = none}, State) -> State;
delivered(Socket, State) -> gentcp_sockets:update(Socket, State).

ahead({ahead, Id, _, _} = Ahead, Before, #state{loans = Loans} = State) ->
    case gentcp_sockets:socket(Id, State) of
        #socket{owner = Owner, held = none, slot = Slot} ->
            case gentcp_ahead:offer(Loans, Slot, Id, Owner, Ahead) of
                new ->
                    State1 = Before(State),
                    gentcp_ahead:open(Loans, Slot, Ahead),
                    State1;
                _AddedOrRefused ->
                    Before(State)
            end;
        #socket{} ->
            %% It is dropped while the socket is passed on, and so must be what follows of it.
            State1 = Before(State),
            gentcp_sockets:ask(Id, none, State1),
            State1;
        none ->
            Before(State)
    end.

%%
%% The end of the port program
%%

-spec port_exit(gentcp_program:ending(), #state{}) -> no_return().
port_exit(Ending, #state{program = Program, registry = Registry} = State) ->
    ?LOG_ERROR("gentcp: port program ~b ~ts, ~b sockets are closed",
               [gentcp_program:os_pid(Program), gentcp_program:ending(Ending),
                gentcp_registry:size(Registry)]),
    stop({shutdown, {port_program, Ending}}, farewell(State)).

%% An end in good order. The program sends what its sockets have still to send, for which it may outlive the
%% node; one that does not answer is stuck, and the heir kills it.
-spec goodbye(#state{}) -> no_return().
goodbye(#state{port = Port, pen = Pen} = State) ->
    State1 = farewell(State),
    gentcp_pen:write(Pen, gentcp_proto:router_call(goodbye, goodbye)),
    case is_answered(Port, erlang:monotonic_time(millisecond) + ?GOODBYE_TIMEOUT) of
        true -> stop({shutdown, goodbye}, State1);
        false -> stop({shutdown, stuck}, State1)
    end.

is_answered(Port, Deadline) ->
    receive
        {Port, {data, Frame}} ->
            is_goodbye(Frame) orelse is_answered(Port, Deadline);
        {Port, {exit_status, _}} -> true;
        {'EXIT', Port, _} -> true;
        {'DOWN', _, port, Port, _} -> true
    after max(0, Deadline - erlang:monotonic_time(millisecond)) ->
        false
    end.

is_goodbye(Frame) ->
    try lists:keymember(goodbye, 2, gentcp_proto:decode(Frame))
    catch error:_ -> false
    end.

%% The end is reported to the owners. Nobody finds the router from now on.
farewell(#state{port = Port, registry = Registry, credit = Credit} = State) ->
    true = unregister(State#state.name),
    forget(Port),
    Sockets = gentcp_registry:sockets(Registry),
    Activities = [gentcp_credit:activity(Credit, Slot, Id) || #socket{id = Id, slot = Slot} <- Sockets],
    lists:foreach(fun(#socket{slot = Slot}) -> gentcp_credit:close(Credit, Slot) end, Sockets),
    lists:foreach(fun({#socket{id = Id} = Socket, Activity}) ->
        gentcp_delivery:failed(Socket, Activity),
        gentcp_heir:forget(State#state.legacy, Id)
    end, lists:zip(Sockets, Activities)),
    State.

%% Callers that wait for an answer notice the end of this process.
-spec stop(term(), #state{}) -> no_return().
stop(Reason, #state{port = Port}) ->
    true = try port_close(Port) catch error:badarg -> true end,
    gentcp_openings:refuse(),
    exit(Reason).

%%
%% For sys
%%

-spec system_continue(pid(), [sys:dbg_opt()], #state{}) -> no_return().
system_continue(_Parent, Debug, State) ->
    loop(State#state{debug = Debug}).

-spec system_terminate(term(), pid(), [sys:dbg_opt()], #state{}) -> no_return().
system_terminate(_Reason, _Parent, _Debug, State) ->
    goodbye(State).

-spec system_code_change(#state{}, module(), term(), term()) -> {ok, #state{}}.
system_code_change(State, _Module, _OldVsn, _Extra) ->
    {ok, State}.

-spec system_get_state(#state{}) -> {ok, #state{}}.
system_get_state(State) ->
    {ok, State}.

-spec system_replace_state(fun((#state{}) -> #state{}), #state{}) ->
          {ok, #state{}, #state{}}.
system_replace_state(Replace, State) ->
    State1 = Replace(State),
    {ok, State1, State1}.
