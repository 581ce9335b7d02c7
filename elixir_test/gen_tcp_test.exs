# gentcp from Elixir: `scripts/elixir-test` runs this with the application on the code path,
# as a release has it, and without mix.
defmodule GenTcpTest do
  use ExUnit.Case, async: false

  @loopback {127, 0, 0, 1}

  setup do
    :ok = :gentcp.install()
    on_exit(fn -> :gentcp.uninstall() end)
  end

  defp pair(options) do
    {:ok, listener} = :gen_tcp.listen(0, [:binary, {:active, false}, {:ip, @loopback} | options])
    {:ok, port} = :inet.port(listener)
    {:ok, client} = :gen_tcp.connect(@loopback, port, [:binary, {:active, false} | options])
    {:ok, server} = :gen_tcp.accept(listener)
    :ok = :gen_tcp.close(listener)
    {client, server}
  end

  test "sockets are gentcp's once it is installed, and stock's again afterwards" do
    {client, server} = pair([])
    assert {:"$inet", :gentcp, _} = client
    assert {:"$inet", :gentcp, _} = server
    :ok = :gentcp.uninstall()
    {client, server} = pair([])
    assert is_port(client)
    assert is_port(server)
  end

  test "packets go both ways" do
    {client, server} = pair(packet: 4)
    :ok = :gen_tcp.send(client, "one")
    :ok = :gen_tcp.send(client, ["t", ?w, "o"])
    assert {:ok, "one"} = :gen_tcp.recv(server, 0, 5000)
    assert {:ok, "two"} = :gen_tcp.recv(server, 0, 5000)
    :ok = :gen_tcp.send(server, String.duplicate("ä", 100_000))
    assert {:ok, answer} = :gen_tcp.recv(client, 0, 5000)
    assert String.length(answer) == 100_000
    :ok = :gen_tcp.close(server)
    assert {:error, :closed} = :gen_tcp.recv(client, 0, 5000)
  end

  test "an active socket sends its owner messages" do
    {client, server} = pair(packet: :line)
    :ok = :inet.setopts(server, active: 2)
    :ok = :gen_tcp.send(client, "first\nsecond\nthird\n")
    assert_receive {:tcp, ^server, "first\n"}, 5000
    assert_receive {:tcp, ^server, "second\n"}, 5000
    assert_receive {:tcp_passive, ^server}, 5000
    assert {:ok, "third\n"} = :gen_tcp.recv(server, 0, 5000)
    :ok = :inet.setopts(server, active: true)
    :ok = :gen_tcp.close(client)
    assert_receive {:tcp_closed, ^server}, 5000
  end

  test "a GenServer can own a socket" do
    {client, server} = pair(packet: :line, active: false)
    {:ok, echo} = GenServer.start_link(__MODULE__.Echo, server)
    :ok = :gen_tcp.controlling_process(server, echo)
    :ok = GenServer.call(echo, :arm)
    :ok = :gen_tcp.send(client, "hello\n")
    assert {:ok, "HELLO\n"} = :gen_tcp.recv(client, 0, 5000)
    :ok = GenServer.stop(echo)
    assert {:error, :closed} = :gen_tcp.recv(client, 0, 5000)
  end

  # The block of Elixir in the README that opens sockets, as it stands there.
  test "the example in the README" do
    readme = File.read!(Path.join(__DIR__, "../README.md"))

    [example] =
      for [_, code] <- Regex.scan(~r/^```elixir\n(.*?)^```$/ms, readme), code =~ "gen_tcp", do: code

    Code.eval_string(example)
  end

  defmodule Echo do
    use GenServer

    @impl true
    def init(socket), do: {:ok, socket}

    @impl true
    def handle_call(:arm, _from, socket), do: {:reply, :inet.setopts(socket, active: :once), socket}

    @impl true
    def handle_info({:tcp, socket, line}, socket) do
      :ok = :gen_tcp.send(socket, String.upcase(line))
      :ok = :inet.setopts(socket, active: :once)
      {:noreply, socket}
    end
  end
end
