from stargate_api.cli.app import main

main()
