%% @doc Makes gentcp the driver of every `gen_tcp' socket of a node, and undoes
%% that.
%%
%% `gen_tcp' picks the modules `inet_tcp', `inet6_tcp' and `local_tcp' by name, so
%% modules of these names are loaded that forward to gentcp or to the stock
%% code. They are loaded once in the life of a node, and a switch that they look
%% at does the rest. Loading a module a second time would purge the code before
%% the last, and with it kill every process that has to return there, as a
%% stock acceptor has that waits in `inet_tcp:accept/1' while installations
%% come and go. For the same reason they are loaded without the name of a file: a module that
%% differs from its file is one that `c:lm()' loads again. Where somebody has loaded the module of
%% OTP once more all the same, the next installation loads the forwarding one again, or says that it cannot.
%%
%% A forwarding module is {@link gentcp_forward} under another name, and the stock
%% code is the object code of OTP under another name; neither needs a compiler
%% or debug information.
%% @private
-module(gentcp_install).

-export([install/0, uninstall/0, is_installed/0]).

%% For the forwarding modules.
-export([opener/1, stock/1]).

-define(SWITCH, gentcp_installed).

-define(MODULES, [inet_tcp, inet6_tcp, local_tcp]).

%% @doc Switches to gentcp.
-spec install() -> ok | {error, term()}.
install() ->
    global:trans({?MODULE, self()}, fun do_install/0, [node()]).

do_install() ->
    case gentcp_sup:router() of
        {ok, _Router} ->
            case load(?MODULES) of
                ok -> switch(true);
                Error -> Error
            end;
        Error ->
            Error
    end.

%% @doc Switches to the stock driver.
-spec uninstall() -> ok.
uninstall() ->
    switch(false).

%% @doc Which of the two it is.
-spec is_installed() -> boolean().
is_installed() ->
    persistent_term:get(?SWITCH, false).

%% @doc The module that opens sockets in place of a stock module.
-spec opener(module()) -> module().
opener(Module) ->
    case is_installed() of
        true -> gentcp(Module);
        false -> stock(Module)
    end.

gentcp(inet_tcp) -> gentcp_tcp;
gentcp(inet6_tcp) -> gentcp_tcp6;
gentcp(local_tcp) -> gentcp_local;
%% The template under its own name.
gentcp(gentcp_forward) -> gentcp_tcp.

%% @doc The copy of a stock module.
-spec stock(module()) -> module().
stock(inet_tcp) -> gentcp_stock_inet_tcp;
stock(inet6_tcp) -> gentcp_stock_inet6_tcp;
stock(local_tcp) -> gentcp_stock_local_tcp;
stock(gentcp_forward) -> inet_tcp.

switch(To) ->
    case is_installed() of
        To -> ok;
        _ -> persistent_term:put(?SWITCH, To)
    end.

%%
%% Loading
%%

load([Module | Rest]) ->
    case load(Module, stock(Module)) of
        ok -> load(Rest);
        Error -> Error
    end;
load([]) ->
    ok.

load(Module, Copy) ->
    case is_forwarding(Module) of
        true ->
            ok;
        false ->
            case {code:get_object_code(Module), code:get_object_code(gentcp_forward)} of
                {{Module, Stock, _}, {_, Template, _}} ->
                    load(Module, Copy, Stock, Template);
                _ ->
                    {error, {no_object_code, Module}}
            end
    end.

%% No module of OTP has this one.
is_forwarding(Module) ->
    erlang:module_loaded(Module)
        andalso erlang:function_exported(Module, '$handle_undefined_function', 2).

load(Module, Copy, Stock, Template) ->
    %% Nobody has loaded the module a second time as a rule. If somebody has, and
    %% a process still runs the old code, it must not die for us.
    case code:soft_purge(Module) of
        true ->
            IsCopied = erlang:module_loaded(Copy),
            IsCopied orelse
                begin
                    {module, Copy} = code:load_binary(Copy, "", renamed(Stock, Copy))
                end,
            IsSticky = code:is_sticky(Module),
            IsSticky andalso code:unstick_mod(Module),
            Result = code:load_binary(Module, "", renamed(Template, Module)),
            IsSticky andalso code:stick_mod(Module),
            case Result of
                {module, Module} ->
                    ok;
                {error, Reason} ->
                    IsCopied orelse code:delete(Copy),
                    {error, {Reason, Module}}
            end;
        false ->
            {error, {old_code, Module}}
    end.

%% Object code under another module name. The first entry of its table of
%% atoms is the module, wherever the code names it.
renamed(Beam, Name) ->
    {ok, _, Chunks} = beam_lib:all_chunks(Beam),
    {"AtU8", Atoms} = lists:keyfind("AtU8", 1, Chunks),
    Kept = [Chunk || {Id, _} = Chunk <- Chunks, not lists:member(Id, ["Dbgi", "Docs"])],
    {ok, Renamed} = beam_lib:build_module(
                      lists:keyreplace("AtU8", 1, Kept, {"AtU8", rename_first(Atoms, Name)})),
    Renamed.

%% The count of atoms, then each with its length. Since OTP 28 the count is
%% negative, and the lengths are encoded like operands of the code.
rename_first(<<Count:32/signed, Length, _:Length/binary, Rest/binary>>, Name) when Count > 0 ->
    Text = atom_to_binary(Name, utf8),
    <<Count:32, (byte_size(Text)), Text/binary, Rest/binary>>;
rename_first(<<Count:32/signed, Lengths/binary>>, Name) when Count < 0 ->
    {Length, Atoms} = operand(Lengths),
    <<_:Length/binary, Rest/binary>> = Atoms,
    Text = atom_to_binary(Name, utf8),
    <<Count:32/signed, (to_operand(byte_size(Text)))/binary, Text/binary, Rest/binary>>.

%% Unsigned operands below 16 take four bits, those below 2048 eleven.
operand(<<Length:4, 0:1, _Tag:3, Rest/binary>>) -> {Length, Rest};
operand(<<High:3, 2#01:2, _Tag:3, Low:8, Rest/binary>>) -> {High bsl 8 bor Low, Rest}.

to_operand(Length) when Length < 16 -> <<Length:4, 0:1, 0:3>>;
to_operand(Length) when Length < 2048 -> <<(Length bsr 8):3, 2#01:2, 0:3, Length:8>>.
